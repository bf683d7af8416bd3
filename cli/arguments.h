// Values of options that are more than one number: "0:1:0.1", "q.npy:3", "ndcg@10=0.39".
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <equipoise/core/status.h>
#include <equipoise/retrieval/fusion.h>
#include <equipoise/retrieval/lexical_index.h>

namespace equipoise::cli {

/// "0.5", "0,0.5,1" or "0:1:0.1" (first, last, step): every value in [0, 1].
Result<std::vector<double>> ParseAlphas(const std::string& text);

/// "title=2,text=1" or "title=2:0.5,text=1:0.75": of each field its weight, in (0, 1e6], and its b, in
/// [0, 1], or `b` where it names none; weight 1 for a field that is not named.
Result<Bm25Fields> ParseFields(const std::string& text, float b);

/// "minmax,rrf".
Result<std::vector<FusionMethod>> ParseFusions(const std::string& text);

/// "a,b,c" without empty parts.
std::vector<std::string> SplitList(const std::string& text);

/// A row of a matrix file, and where it stands.
struct Embedding {
  std::vector<float> values;
  Where where;
};

/// The row of "FILE" (row 0) or "FILE:ROW".
Result<Embedding> ReadEmbedding(const std::string& text);

/// "ndcg@10=0.39" -> the measure's name, which must be one of those that eval prints, and the value.
Result<std::pair<std::string, double>> ParseGate(const std::string& text);

/// "90s", "5m", "2h", "2ms", "500us" -> seconds.
Result<double> ParseDuration(const std::string& text);

/// "0.2:0.8" -> both ends, in the order given.
Result<std::pair<double, double>> ParseBounds(const std::string& text);

/// "quality=0.6,cost=0.4" -> the weights.
Result<std::map<std::string, double>> ParseWeights(const std::string& text);

/// One word a line, blank lines left out.
Result<std::vector<std::string>> ReadWords(const std::string& path);

/// One id a line, as it stands but for a carriage return at its end; an empty line is refused.
Result<std::vector<std::string>> ReadIds(const std::string& path);

}  // namespace equipoise::cli
