#include <cmath>
#include <limits>
#include <new>
#include <string>
#include <unordered_map>
#include <utility>

#include <equipoise/core/check.h>
#include <equipoise/engine/answer_support.h>

namespace equipoise {
namespace {

// Terms as MeasureGroundedness takes them: numbers, with weights.
struct Terms {
  std::vector<std::uint64_t> ids;
  std::vector<float> weights;
};

class Numbering {
 public:
  explicit Numbering(const Collection& collection) : collection_(collection) {
    // BM25's idf of a term that no document has.
    rarest_ = static_cast<float>(std::log1p((collection.documents() + 0.5) / 0.5));
  }

  Terms Of(std::string_view text) {
    // Of no document: the terms and their idf alone.
    constexpr auto kNone = std::numeric_limits<std::uint32_t>::max();
    Terms out;
    for (TermScore& term : collection_.ExplainLexical(text, kNone)) {
      out.ids.push_back(numbers_.emplace(std::move(term.term), numbers_.size()).first->second);
      out.weights.push_back(term.df > 0 ? term.idf : rarest_);
    }
    return out;
  }

 private:
  const Collection& collection_;
  float rarest_;
  std::unordered_map<std::string, std::uint64_t> numbers_;
};

}  // namespace

Result<AnswerSupport> MeasureAnswer(const Collection& collection, std::string_view answer,
                                    std::span<const std::string_view> passages,
                                    const GroundednessOptions& options) {
  try {
    Numbering numbering(collection);
    AnswerSupport out;
    std::vector<Terms> terms;
    for (const ByteRange& bytes : Sentences(answer)) {
      Terms of = numbering.Of(answer.substr(bytes.begin, bytes.end - bytes.begin));
      if (of.ids.empty()) continue;
      terms.push_back(std::move(of));
      out.sentences.push_back({bytes, {}});
    }
    for (const std::string_view passage : passages) terms.push_back(numbering.Of(passage));
    std::vector<SupportText> texts;
    texts.reserve(terms.size());
    for (const Terms& of : terms) texts.push_back({of.ids, of.weights, {}});
    const std::span<const SupportText> all = texts;
    const std::size_t n = out.sentences.size();
    EQUIPOISE_ASSIGN_OR_RETURN(const Groundedness measured,
                               MeasureGroundedness(all.first(n), all.subspan(n), options));
    out.share = measured.share;
    for (std::size_t i = 0; i < n; ++i) out.sentences[i].support = measured.sentences[i];
    return out;
  } catch (const std::bad_alloc&) {
    return Status(Code::kOutOfMemory, "MeasureAnswer: no memory for the terms");
  }
}

}  // namespace equipoise
