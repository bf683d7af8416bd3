#include "loaded_set.h"

#include <algorithm>
#include <cmath>
#include <filesystem>

#include <equipoise/core/matrix_file.h>
#include <equipoise/core/ranking_measures.h>
#include <equipoise/kernels/quantize.h>

namespace equipoise::bench {

UnitRows UnitRows::Read(const std::string& path) {
  const auto file = OrThrow(MatrixFile::Open(path));
  const EmbeddingsView view = file.view();
  UnitRows out;
  out.dim = file.cols();
  out.values.resize(file.rows() * out.dim);
  for (std::size_t i = 0; i < file.rows(); ++i) {
    float* row = out.values.data() + i * out.dim;
    if (view.is_f16())
      HalfToFloat(view.f16.row(i), row, out.dim);
    else
      std::copy_n(view.f32.row(i), out.dim, row);
    double sum = 0;
    for (std::size_t d = 0; d < out.dim; ++d) sum += double{row[d]} * row[d];
    const auto scale = static_cast<float>(sum > 0 ? 1 / std::sqrt(sum) : 0);
    for (std::size_t d = 0; d < out.dim; ++d) row[d] *= scale;
  }
  return out;
}

LoadedSet LoadedSet::Read(const std::string& index, const std::string& data) {
  LoadedSet out;
  out.name = std::filesystem::path(data).filename();
  out.index = index;
  out.data = data;
  out.queries = OrThrow(Queries::Read(data + "/queries.jsonl"));
  out.embeddings = UnitRows::Read(data + "/queries.f16.npy");
  if (out.embeddings.rows() != out.queries.size())
    throw std::runtime_error(data + ": another number of embeddings than of queries");
  if (!std::filesystem::exists(data + "/qrels/test.tsv")) return out;
  out.judgments = OrThrow(Judgments::Read(data + "/qrels/test.tsv"));
  for (std::size_t q = 0; q < out.queries.size(); ++q) {
    const auto* judged = out.judgments.Find(out.queries.items()[q].id);
    if (judged != nullptr && judged->relevant > 0) out.judged.push_back(q);
  }
  return out;
}

Quality QualityOf(const Judgments::OfQuery& judged, std::span<const std::string> ids) {
  std::vector<int> grades;
  for (const std::string& id : ids) grades.push_back(judged.GradeOf(id));
  return {NdcgAt(grades, judged.grades, 10), RecallAt(grades, judged.grades, 10)};
}

}  // namespace equipoise::bench
