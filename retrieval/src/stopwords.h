/// Lists of stop words that come with the library.
#pragma once

#include <array>
#include <string_view>

namespace equipoise {

/// The 33 words of Lucene's EnglishAnalyzer.ENGLISH_STOP_WORDS_SET, which Elasticsearch
/// (`_english_`) and bm25s (`en`) use as well. Short lists lose nothing with BM25, whose idf
/// already makes frequent words count little, and keep queries such as "who" or "how to" alive.
inline constexpr std::array<std::string_view, 33> kEnglishStopwords = {
    "a",   "an",    "and",  "are",   "as",    "at",   "be",   "but", "by",  "for",  "if",
    "in",  "into",  "is",   "it",    "no",    "not",  "of",   "on",  "or",  "such", "that",
    "the", "their", "then", "there", "these", "they", "this", "to",  "was", "will", "with"};

}  // namespace equipoise
