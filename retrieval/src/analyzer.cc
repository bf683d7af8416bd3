#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <new>
#include <unordered_set>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <libstemmer.h>
#include <nlohmann/json.hpp>
#include <unicode/brkiter.h>
#include <unicode/bytestream.h>
#include <unicode/edits.h>
#include <unicode/normalizer2.h>
#include <unicode/uchar.h>
#include <unicode/uniset.h>
#include <unicode/unistr.h>
#include <unicode/uscript.h>
#include <unicode/ustring.h>
#include <unicode/utf16.h>

#include <equipoise/core/check.h>
#include <equipoise/core/checked_file.h>
#include <equipoise/retrieval/analyzer.h>
#include <equipoise/retrieval/text.h>

#include "ascii_words.h"
#include "pool.h"
#include "stopwords.h"

namespace equipoise {
namespace {

constexpr int kJsonVersion = 1;
constexpr std::size_t kPieceBytes = std::size_t{16} << 10;
constexpr std::size_t kLongestPieceBytes = std::size_t{1} << 20;

struct StemmerDeleter {
  void operator()(sb_stemmer* stemmer) const { sb_stemmer_delete(stemmer); }
};
using Stemmer = std::unique_ptr<sb_stemmer, StemmerDeleter>;

// Null for "none".
Stemmer MakeStemmer(const std::string& language) {
  if (language == "none") return nullptr;
  Stemmer stemmer(sb_stemmer_new(language.c_str(), "UTF_8"));
  if (stemmer == nullptr) throw std::bad_alloc();
  return stemmer;
}

void Stem(sb_stemmer* stemmer, std::string* word) {
  if (stemmer == nullptr) return;
  const sb_symbol* stem = sb_stemmer_stem(stemmer, reinterpret_cast<const sb_symbol*>(word->data()),
                                          static_cast<int>(word->size()));
  if (stem == nullptr) throw std::bad_alloc();
  const int length = sb_stemmer_length(stemmer);
  if (length > 0)
    word->assign(reinterpret_cast<const char*>(stem), static_cast<std::size_t>(length));
}

// Words and what became of them: frequent ones are stemmed once. A word has one place, where the last
// one that came is kept, so that the memory does not grow with the text.
class StemCache {
 public:
  StemCache() : slots_(static_cast<Slot*>(std::calloc(kSlots, sizeof(Slot)))) {
    if (slots_ == nullptr) throw std::bad_alloc();
  }

  struct Slot {
    static constexpr std::size_t kRoom = 23;
    unsigned char word_size, stem_size;  // 0 of a word: free; 0 of a stem: a stop word
    char word[kRoom], stem[kRoom];
    std::string_view Word() const { return {word, word_size}; }
    std::string_view Stem() const { return {stem, stem_size}; }
    void Set(std::string_view from, std::string_view to) {
      word_size = static_cast<unsigned char>(from.size());
      stem_size = static_cast<unsigned char>(to.size());
      std::memcpy(word, from.data(), from.size());
      std::memcpy(stem, to.data(), to.size());
    }
  };
  Slot& SlotOf(std::string_view word) const {
    return slots_.get()[std::hash<std::string_view>{}(word) % kSlots];
  }

 private:
  static constexpr std::size_t kSlots = std::size_t{1} << 14;
  struct Free {
    void operator()(Slot* slots) const { std::free(slots); }
  };
  std::unique_ptr<Slot, Free> slots_;
};

// What one analysis at a time needs: iterators and stemmers are not for two threads.
struct Worker {
  std::unique_ptr<icu::BreakIterator> words;
  Stemmer stemmer;
  StemCache stems;
  icu::UnicodeString folded;
  std::string lower;
};

struct StringHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const {
    return std::hash<std::string_view>{}(text);
  }
};
using WordSet = std::unordered_set<std::string, StringHash, std::equal_to<>>;

bool IsSpace(char c) { return c == ' ' || c == '\n'; }

// The end of the next piece of text to be analysed: a place right before a space or newline, where
// a word always ends and nothing composes, so that pieces give the tokens that the whole would.
std::size_t PieceEnd(std::string_view text, std::size_t begin) {
  if (text.size() - begin <= kPieceBytes) return text.size();
  for (std::size_t at = begin + kPieceBytes; at > begin; --at)
    if (IsSpace(text[at])) return at;
  const std::size_t limit = std::min(text.size(), begin + kLongestPieceBytes);
  for (std::size_t at = begin + kPieceBytes; at < limit; ++at)
    if (IsSpace(text[at])) return at;
  if (limit == text.size()) return limit;
  std::size_t at = limit;
  while (at > limit - 4 && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80) --at;
  return at;
}

bool IsApostrophe(char16_t c) { return c == u'\'' || c == u'\u2018' || c == u'\u2019'; }

// Scripts in which one character is hardly ever a word worth finding.
bool IsAlphabet(UScriptCode script) {
  switch (script) {
    case USCRIPT_LATIN:
    case USCRIPT_GREEK:
    case USCRIPT_CYRILLIC:
    case USCRIPT_ARMENIAN:
    case USCRIPT_GEORGIAN:
    case USCRIPT_COMMON:
    case USCRIPT_INHERITED:
      return true;
    default:
      return false;
  }
}

bool IsAllAlphabet(const char16_t* text, std::int32_t length) {
  for (std::int32_t i = 0; i < length;) {
    UChar32 code_point;
    U16_NEXT(text, i, length, code_point);
    UErrorCode error = U_ZERO_ERROR;
    if (!IsAlphabet(uscript_getScript(code_point, &error))) return false;
  }
  return true;
}

// A run of underscores is a word to UAX #29, but none to people.
bool HasLetterOrDigit(const char16_t* text, std::int32_t length) {
  for (std::int32_t i = 0; i < length;) {
    UChar32 code_point;
    U16_NEXT(text, i, length, code_point);
    if (u_getIntPropertyValue(code_point, UCHAR_WORD_BREAK) != U_WB_EXTENDNUMLET) return true;
  }
  return false;
}

std::string Utf8(const char16_t* text, std::int32_t length) {
  std::string out;
  icu::UnicodeString(false, text, length).toUTF8String(out);
  return out;
}

// Which libstemmer this is, as far as its output tells.
std::string StemmerFingerprint(const std::string& language) {
  static constexpr std::array<const char*, 24> kProbes = {
      "generalizations",  "universities", "hopefulness", "relational",   "dying",    "skies",
      "agreed",           "evening",      "vietnamese",  "controlling",  "added",    "y's",
      "aufeinanderfolge", "häuser",       "kategorien",  "majestueux",   "continué", "corriendo",
      "cheias",           "pronto",       "pakastimet",  "krottenkoppe", "бегущими", "κατηγοριες"};
  const Stemmer stemmer = MakeStemmer(language);
  std::string all;
  for (const char* probe : kProbes) {
    std::string word = probe;
    Stem(stemmer.get(), &word);
    all += word;
    all += '\n';
  }
  return fmt::format("{:016x}", Checksum(std::as_bytes(std::span(all))));
}

const AnalyzerOptions& NoOptions() {
  static const AnalyzerOptions options;
  return options;
}

}  // namespace

struct Analyzer::State {
  AnalyzerOptions options;
  WordSet stopwords;
  std::unique_ptr<const icu::BreakIterator> words;  // cloned, never moved
  AsciiWords ascii;
  std::unique_ptr<const icu::UnicodeSet> foldable;
  std::unique_ptr<const icu::Normalizer2> fold;
  mutable Pool<Worker> workers;

  std::unique_ptr<Worker> MakeWorker() const {
    auto worker = std::make_unique<Worker>();
    worker->words.reset(words->clone());
    if (worker->words == nullptr) throw std::bad_alloc();
    worker->stemmer = MakeStemmer(options.language);
    return worker;
  }

  // Steps 1 to 3: calls visit(UTF-16 of the word, length) for each, or visit_ascii(word) in pieces of
  // text that are ASCII.
  template <typename Visit, typename VisitAscii>
  void ForEachWord(std::string_view text, Worker* worker, const Visit& visit,
                   const VisitAscii& visit_ascii) const;
  template <typename Visit>
  void ForEachAsciiWord(std::string_view piece, Worker* worker, const Visit& visit) const;
  // Words of what is in worker->folded.
  template <typename Visit>
  static void ForEachFoldedWord(Worker* worker, const Visit& visit);
  template <typename Char, typename Visit>
  static void CutAtApostrophes(const Char* word, std::int32_t length, const Visit& visit);

  // Step 4: calls add(token), a std::string or a view, unless the word goes.
  template <typename Add>
  void Finish(const char16_t* word, std::int32_t length, Worker* worker, const Add& add) const;
  template <typename Add>
  void FinishAscii(std::string_view word, Worker* worker, const Add& add) const;
  template <typename Add>
  void FinishStem(std::string_view word, Worker* worker, const Add& add) const;

  void VisitTokens(std::string_view text, Worker* worker, const TokenVisitor& visit) const;
  void VisitFoldedTokens(std::string_view piece, std::size_t begin, Worker* worker,
                         const TokenVisitor& visit) const;
};

template <typename Char, typename Visit>
void Analyzer::State::CutAtApostrophes(const Char* word, std::int32_t length, const Visit& visit) {
  std::int32_t begin = 0;
  for (std::int32_t i = 0; i <= length; ++i) {
    if (i < length && !IsApostrophe(word[i])) continue;
    const bool possessive = begin > 0 && i == length && i - begin == 1 && word[begin] == 's';
    if (i > begin && !possessive) visit(word + begin, i - begin);
    begin = i + 1;
  }
}

template <typename Visit>
void Analyzer::State::ForEachAsciiWord(std::string_view piece, Worker* worker,
                                       const Visit& visit) const {
  ascii.ForEach(piece, &worker->lower, [&](std::string_view word) {
    CutAtApostrophes(word.data(), static_cast<std::int32_t>(word.size()),
                     [&](const char* part, std::int32_t length) {
                       visit(std::string_view(part, static_cast<std::size_t>(length)));
                     });
  });
}

template <typename Visit>
void Analyzer::State::ForEachFoldedWord(Worker* worker, const Visit& visit) {
  worker->words->setText(worker->folded);
  const char16_t* buffer = worker->folded.getBuffer();
  std::int32_t from = worker->words->first();
  for (std::int32_t to = worker->words->next(); to != icu::BreakIterator::DONE;
       from = to, to = worker->words->next()) {
    if (worker->words->getRuleStatus() < UBRK_WORD_NUMBER) continue;
    CutAtApostrophes(buffer + from, to - from, visit);
  }
}

template <typename Visit, typename VisitAscii>
void Analyzer::State::ForEachWord(std::string_view text, Worker* worker, const Visit& visit,
                                  const VisitAscii& visit_ascii) const {
  for (std::size_t begin = 0, end = 0; begin < text.size(); begin = end) {
    end = PieceEnd(text, begin);
    if (const auto piece = text.substr(begin, end - begin); AsciiWords::IsAscii(piece)) {
      ForEachAsciiWord(piece, worker, visit_ascii);
      continue;
    }
    const auto raw = icu::UnicodeString::fromUTF8(
        icu::StringPiece(text.data() + begin, static_cast<std::int32_t>(end - begin)));
    UErrorCode error = U_ZERO_ERROR;
    fold->normalize(raw, worker->folded, error);
    if (U_FAILURE(error) || raw.isBogus() || worker->folded.isBogus()) throw std::bad_alloc();
    ForEachFoldedWord(worker, visit);
  }
}

namespace {

// Where a word of the folded text came from: what was changed as a whole belongs to it as a whole.
class Origins {
 public:
  Origins(const icu::Edits& edits, const icu::UnicodeString& folded)
      : spans_(edits.getFineIterator()), text_(folded.getBuffer()), length_(folded.length()) {}

  // Of the word at UTF-16 offsets [from, to) of the folded text, behind the words before: bytes of the
  // source.
  std::pair<std::size_t, std::size_t> Of(std::int32_t from, std::int32_t to) {
    const std::int32_t first = Utf8Offset(from);
    const std::int32_t last = Utf8Offset(to) - 1;
    UErrorCode error = U_ZERO_ERROR;
    std::int32_t begin = 0, end = 0;
    if (spans_.findDestinationIndex(first, error))
      begin = spans_.sourceIndex() + (spans_.hasChange() ? 0 : first - spans_.destinationIndex());
    if (spans_.findDestinationIndex(last, error))
      end = spans_.sourceIndex() +
            (spans_.hasChange() ? spans_.oldLength() : last + 1 - spans_.destinationIndex());
    if (U_FAILURE(error)) throw std::bad_alloc();
    return {static_cast<std::size_t>(begin), static_cast<std::size_t>(std::max(begin, end))};
  }

 private:
  std::int32_t Utf8Offset(std::int32_t utf16) {
    while (at16_ < utf16) {
      UChar32 c = 0;
      U16_NEXT(text_, at16_, length_, c);
      at8_ += U8_LENGTH(c);
    }
    return at8_;
  }

  icu::Edits::Iterator spans_;
  const char16_t* text_;
  std::int32_t length_;
  std::int32_t at16_ = 0, at8_ = 0;
};

}  // namespace

void Analyzer::State::VisitTokens(std::string_view text, Worker* worker,
                                  const TokenVisitor& visit) const {
  for (std::size_t begin = 0, end = 0; begin < text.size(); begin = end) {
    end = PieceEnd(text, begin);
    const auto piece = text.substr(begin, end - begin);
    if (!AsciiWords::IsAscii(piece)) {
      VisitFoldedTokens(piece, begin, worker, visit);
      continue;
    }
    ForEachAsciiWord(piece, worker, [&](std::string_view word) {
      const std::size_t at = begin + static_cast<std::size_t>(word.data() - worker->lower.data());
      FinishAscii(word, worker,
                  [&](std::string_view token) { visit(token, at, at + word.size()); });
    });
  }
}

void Analyzer::State::VisitFoldedTokens(std::string_view piece, std::size_t begin, Worker* worker,
                                        const TokenVisitor& visit) const {
  // Bytes that are not UTF-8 become a control character each, which is no part of a word either.
  std::string valid;
  for (std::size_t at = 0; (at += ValidUtf8Prefix(piece.substr(at))) < piece.size(); ++at) {
    if (valid.empty()) valid = piece;
    valid[at] = '\x1A';
  }
  if (!valid.empty()) piece = valid;
  std::string folded;
  icu::StringByteSink<std::string> sink(&folded, static_cast<std::int32_t>(piece.size()));
  icu::Edits edits;
  UErrorCode error = U_ZERO_ERROR;
  fold->normalizeUTF8(0, icu::StringPiece(piece.data(), static_cast<std::int32_t>(piece.size())),
                      sink, &edits, error);
  worker->folded = icu::UnicodeString::fromUTF8(folded);
  if (U_FAILURE(error) || worker->folded.isBogus()) throw std::bad_alloc();
  Origins origins(edits, worker->folded);
  const char16_t* const buffer = worker->folded.getBuffer();
  ForEachFoldedWord(worker, [&](const char16_t* word, std::int32_t length) {
    const auto from = static_cast<std::int32_t>(word - buffer);
    Finish(word, length, worker, [&](std::string_view token) {
      const auto [first, last] = origins.Of(from, from + length);
      visit(token, begin + first, begin + last);
    });
  });
}

template <typename Add>
void Analyzer::State::Finish(const char16_t* word, std::int32_t length, Worker* worker,
                             const Add& add) const {
  // Code points are at most as many as code units: most words need no counting.
  const std::int32_t points = length < options.min_token_length || length > options.max_token_length
                                  ? u_countChar32(word, length)
                                  : length;
  if (u_countChar32(word, std::min(length, 2 * options.min_token_length)) <
          options.min_token_length &&
      IsAllAlphabet(word, length))
    return;
  if (points > options.max_token_length) {
    std::int32_t cut = 0;
    U16_FWD_N(word, cut, length, options.max_token_length);
    length = cut;
  }
  if (!HasLetterOrDigit(word, length)) return;
  FinishStem(Utf8(word, length), worker, add);
}

template <typename Add>
void Analyzer::State::FinishAscii(std::string_view word, Worker* worker, const Add& add) const {
  if (word.size() < static_cast<std::size_t>(options.min_token_length)) return;
  word = word.substr(0, static_cast<std::size_t>(options.max_token_length));
  if (word.find_first_not_of('_') == std::string_view::npos) return;
  FinishStem(word, worker, add);
}

template <typename Add>
void Analyzer::State::FinishStem(std::string_view word, Worker* worker, const Add& add) const {
  StemCache::Slot& slot = worker->stems.SlotOf(word);
  if (slot.Word() == word) {
    if (slot.stem_size > 0) add(slot.Stem());
    return;
  }
  std::string token;
  if (!stopwords.contains(word)) {
    token = word;
    Stem(worker->stemmer.get(), &token);
  }
  if (word.size() <= StemCache::Slot::kRoom && token.size() <= StemCache::Slot::kRoom)
    slot.Set(word, token);
  if (!token.empty()) add(std::move(token));
}

Result<Analyzer> Analyzer::Create(const AnalyzerOptions& options) {
  constexpr const char* kFunction = "Analyzer::Create";
  const auto languages = Languages();
  if (options.language != "none" &&
      !std::binary_search(languages.begin(), languages.end(), options.language))
    return Status(Code::kInvalidArgument,
                  fmt::format("{}: unknown language \"{}\"; known: none, {}", kFunction,
                              options.language, fmt::join(languages, ", ")),
                  {.field = "language"});
  if (options.stopwords != "english" && options.stopwords != "none" &&
      options.stopwords != "custom")
    return Status(Code::kInvalidArgument,
                  fmt::format("{}: unknown stopwords \"{}\"; known: english, none, custom",
                              kFunction, options.stopwords),
                  {.field = "stopwords"});
  if (options.stopwords != "custom" && !options.stopword_list.empty())
    return Status(Code::kInvalidArgument,
                  fmt::format("{}: stopword_list is only used with stopwords = \"custom\", not "
                              "\"{}\"",
                              kFunction, options.stopwords),
                  {.field = "stopword_list"});
  EQUIPOISE_CHECK_RANGE(kFunction, options.max_token_length, 1, 1024);
  EQUIPOISE_CHECK_RANGE(kFunction, options.min_token_length, 1, options.max_token_length);
  for (std::size_t i = 0; i < options.stopword_list.size(); ++i)
    if (!IsValidUtf8(options.stopword_list[i]))
      return Status(Code::kInvalidArgument,
                    fmt::format("{}: an entry of stopword_list is not UTF-8", kFunction),
                    {.row = static_cast<std::int64_t>(i), .field = "stopword_list"});
  try {
    auto state = std::make_shared<State>();
    state->options = options;
    UErrorCode error = U_ZERO_ERROR;
    state->words.reset(icu::BreakIterator::createWordInstance(icu::Locale::getRoot(), error));
    const icu::Normalizer2* nfkc = icu::Normalizer2::getNFKCCasefoldInstance(error);
    if (U_FAILURE(error) || state->words == nullptr || nfkc == nullptr)
      return Status(Code::kInternal,
                    fmt::format("{}: ICU has no word segmentation or case folding: {}", kFunction,
                                u_errorName(error)));
    // The trade mark and service mark signs would become the letters "tm" and "sm", glued to the
    // word before them.
    auto foldable = std::make_unique<icu::UnicodeSet>(0, 0x10FFFF);
    foldable->remove(0x2120).remove(0x2122).freeze();
    if (foldable->isBogus()) throw std::bad_alloc();
    state->foldable = std::move(foldable);
    state->fold = std::make_unique<icu::FilteredNormalizer2>(*nfkc, *state->foldable);
    if (options.stopwords == "english")
      for (const auto word : kEnglishStopwords) state->stopwords.emplace(word);
    const auto worker = state->MakeWorker();
    state->ascii = AsciiWords(worker->words.get());
    for (const auto& entry : options.stopword_list)
      state->ForEachWord(
          entry, worker.get(),
          [&](const char16_t* word, std::int32_t length) {
            state->stopwords.insert(Utf8(word, length));
          },
          [&](std::string_view word) { state->stopwords.emplace(word); });
    return Analyzer(std::move(state));
  } catch (const std::bad_alloc&) {
    return Status(Code::kOutOfMemory, fmt::format("{}: no memory", kFunction));
  }
}

void Analyzer::Analyze(std::string_view utf8, std::vector<std::string>* tokens) const {
  tokens->clear();
  if (state_ == nullptr || utf8.empty()) return;
  const auto worker = state_->workers.Take([this] { return state_->MakeWorker(); });
  const auto add = [&](auto&& token) {
    tokens->emplace_back(std::forward<decltype(token)>(token));
  };
  state_->ForEachWord(
      utf8, &*worker,
      [&](const char16_t* word, std::int32_t length) {
        state_->Finish(word, length, &*worker, add);
      },
      [&](std::string_view word) { state_->FinishAscii(word, &*worker, add); });
}

void Analyzer::VisitTokens(std::string_view utf8, const TokenVisitor& visit) const {
  if (state_ == nullptr || utf8.empty()) return;
  const auto worker = state_->workers.Take([this] { return state_->MakeWorker(); });
  state_->VisitTokens(utf8, &*worker, visit);
}

const AnalyzerOptions& Analyzer::options() const {
  return state_ == nullptr ? NoOptions() : state_->options;
}

std::vector<std::string> Analyzer::Languages() {
  std::vector<std::string> names;
  for (const char** name = sb_stemmer_list(); *name != nullptr; ++name) names.emplace_back(*name);
  std::sort(names.begin(), names.end());
  return names;
}

std::string Analyzer::ToJson() const {
  const AnalyzerOptions& o = options();
  nlohmann::ordered_json out = {
      {"version", kJsonVersion},
      {"language", o.language},
      {"stopwords", o.stopwords},
      {"stopword_list", o.stopword_list},
      {"min_token_length", o.min_token_length},
      {"max_token_length", o.max_token_length},
      {"made_with",
       {{"icu", U_ICU_VERSION},
        {"unicode", U_UNICODE_VERSION},
        {"stemmer", StemmerFingerprint(o.language)}}},
  };
  return out.dump();
}

Result<Analyzer> Analyzer::FromJson(std::string_view json) {
  const auto bad = [](const std::string& why) {
    return Status(Code::kCorruption, "Analyzer::FromJson: not the settings of an analyzer: " + why);
  };
  AnalyzerOptions options;
  try {
    const auto in = nlohmann::json::parse(json);
    const int version = in.at("version").get<int>();
    if (version > kJsonVersion)
      return Status(Code::kUnsupported,
                    fmt::format("the analyzer's settings are of version {}, newer than the {} that "
                                "this library reads; use a newer equipoise",
                                version, kJsonVersion));
    in.at("language").get_to(options.language);
    in.at("stopwords").get_to(options.stopwords);
    in.at("stopword_list").get_to(options.stopword_list);
    in.at("min_token_length").get_to(options.min_token_length);
    in.at("max_token_length").get_to(options.max_token_length);
  } catch (const nlohmann::json::exception& error) {
    return bad(error.what());
  }
  auto made = Create(options);
  if (made.ok() || made.error().code() != Code::kInvalidArgument) return made;
  if (made.error().where().field == "language")
    return Status(Code::kUnsupported, made.error().message(), made.error().where());
  return bad(made.error().message());
}

}  // namespace equipoise
