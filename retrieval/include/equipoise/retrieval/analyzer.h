/// From text to terms: the same object when a collection is indexed and when it is asked.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <equipoise/core/export.h>
#include <equipoise/core/status.h>

namespace equipoise {

struct AnalyzerOptions {
  /// A Snowball algorithm (Analyzer::Languages()), or "none": words are left as they are.
  std::string language = "english";
  /// "english": the 33 words that Lucene's and Elasticsearch's English analyzers drop; "none"; or
  /// "custom": those of stopword_list. Chosen apart from the language.
  std::string stopwords = "english";
  /// Words to drop; only with "custom". Case and composition do not matter; each is compared with
  /// the words of a text before stemming.
  std::vector<std::string> stopword_list{};
  /// In code points, [1, 1024]. A longer word is cut to this length before it is stemmed, not
  /// dropped: a document can be found by every word it holds, and a megabyte of base64 is one
  /// short term.
  int max_token_length = 64;

  friend bool operator==(const AnalyzerOptions&, const AnalyzerOptions&) = default;
};

/// Cuts text into words, folds them, drops stop words and stems what is left.
/// Threads  const after Create; safe from many threads, which wait for nothing
/// Note     copies share one immutable state; one that was default-constructed or moved from finds
///          no tokens
class EQUIPOISE_API Analyzer {
 public:
  /// Errors   kInvalidArgument: unknown language or name of a stop word list (the message lists
  ///          those known), a list without "custom", max_token_length out of range;
  ///          kInternal: ICU's data is missing
  static Result<Analyzer> Create(const AnalyzerOptions& options);
  Analyzer() = default;

  /// Replaces `tokens` by the terms of the text, in the order of the text, repetitions kept.
  /// Bytes that are not UTF-8 count as U+FFFD, which is no part of a word.
  /// Threads  const, safe from many threads; memory O(tokens), scratch at most some MB
  void Analyze(std::string_view utf8, std::vector<std::string>* tokens) const;
  std::vector<std::string> Analyze(std::string_view utf8) const {
    std::vector<std::string> tokens;
    Analyze(utf8, &tokens);
    return tokens;
  }

  const AnalyzerOptions& options() const;

  /// The settings as one JSON object, to be kept with the index. For information it also says by
  /// which ICU and Unicode version it was made, and a fingerprint of the stemmer's output:
  /// libstemmer has no version to ask for.
  std::string ToJson() const;
  /// Errors   kCorruption: not what ToJson wrote; kUnsupported: written by a newer version, or for
  ///          a language that this libstemmer does not have
  static Result<Analyzer> FromJson(std::string_view json);

  /// The names of the Snowball algorithms of the libstemmer in use, sorted.
  static std::vector<std::string> Languages();

 private:
  struct State;
  explicit Analyzer(std::shared_ptr<const State> state) : state_(std::move(state)) {}
  std::shared_ptr<const State> state_;
};

}  // namespace equipoise
