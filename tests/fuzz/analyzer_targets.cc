// The analyzer, which takes any bytes in any language.
#include <equipoise/retrieval/analyzer.h>
#include <equipoise/retrieval/text.h>

#include "fuzz_target.h"

namespace equipoise::fuzz {
namespace {

// The first byte chooses the language and the lengths, the rest is the text.
void RunAnalyzer(std::string_view input) {
  static const std::vector<Analyzer> analyzers = [] {
    std::vector<Analyzer> out;
    for (const std::string& language : Analyzer::Languages())
      for (const int longest : {64, 3})
        out.push_back(*Analyzer::Create({.language = language,
                                         .stopwords = longest == 3 ? "none" : "english",
                                         .min_token_length = longest == 3 ? 1 : 2,
                                         .max_token_length = longest}));
    return out;
  }();
  if (input.empty()) return;
  const Analyzer& analyzer =
      analyzers[static_cast<unsigned char>(input.front()) % analyzers.size()];
  const std::string_view text = input.substr(1);
  const auto tokens = analyzer.Analyze(text);
  for (const std::string& token : tokens) {
    EQUIPOISE_FUZZ_REQUIRE(!token.empty(), "");
    // Valid text gives valid terms; a damaged sequence is no part of one.
    EQUIPOISE_FUZZ_REQUIRE(IsValidUtf8(token), analyzer.options().language);
  }
  EQUIPOISE_FUZZ_REQUIRE(analyzer.Analyze(text) == tokens, "");
}

std::vector<std::string> AnalyzerSeeds() {
  std::vector<std::string> out;
  const std::vector<std::string> texts = {
      "The author's wings, well-known l'avion at 3.14 m/s; U.S.A. www.example.com snake_case!",
      "häuser in der Straße ﬁne Ｆｕｌｌ ｗｉｄｔｈ e\xCC\x81t\xC3\xA9 \xC2\xADsoft™",
      "東京タワーへ行きます。 สวัสดีครับ 안녕하세요 กข", "бегущими κατηγοριες الكتابة हिन्दी தமிழ்",
      "👩‍👩‍👧‍👦 🇩🇪 \xF0\x9D\x94\x98 \xEF\xB7\xBA \xE2\x80\x8D "
      "\xE1\x84\x80\xE1\x85\xA1"};
  const std::size_t languages = 2 * Analyzer::Languages().size();
  for (std::size_t i = 0; i < languages; ++i)
    out.push_back(static_cast<char>(i) + texts[i % texts.size()]);
  return out;
}

void RunAnalyzerSettings(std::string_view input) {
  const auto analyzer = Analyzer::FromJson(input);
  RequireCode(analyzer.error(), {Code::kCorruption, Code::kUnsupported});
  if (!analyzer.ok()) return;
  const auto again = Analyzer::FromJson(analyzer->ToJson());
  EQUIPOISE_FUZZ_REQUIRE(again.ok() && again->options() == analyzer->options(), input);
}

std::vector<std::string> AnalyzerSettingsSeeds() {
  return {Analyzer::Create({})->ToJson(),
          Analyzer::Create({.language = "german", .stopwords = "custom", .stopword_list = {"der"}})
              ->ToJson()};
}

}  // namespace

std::vector<Target> AnalyzerTargets() {
  return {{"analyzer", RunAnalyzer, AnalyzerSeeds},
          {"analyzer_settings", RunAnalyzerSettings, AnalyzerSettingsSeeds, 1500}};
}

}  // namespace equipoise::fuzz
