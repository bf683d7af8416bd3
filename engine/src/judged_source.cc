#include "judged_source.h"

#include <algorithm>
#include <filesystem>

#include <equipoise/core/check.h>
#include <equipoise/kernels/quantize.h>

namespace equipoise {
namespace {

std::string LastName(const std::string& folder) {
  std::filesystem::path path(folder);
  if (!path.has_filename()) path = path.parent_path();
  return path.filename().string();
}

}  // namespace

std::vector<float> JudgedSource::EmbeddingOf(std::size_t row) const {
  std::vector<float> out(embeddings.cols());
  const EmbeddingsView rows = embeddings.view();
  if (rows.is_f16())
    HalfToFloat(rows.f16.row(row), out.data(), out.size());
  else
    std::copy_n(rows.f32.row(row), out.size(), out.data());
  return out;
}

Result<JudgedSource> OpenJudgedSource(const StudySource& files) {
  EQUIPOISE_ASSIGN_OR_RETURN(Engine engine, Engine::Open(files.index));
  EQUIPOISE_ASSIGN_OR_RETURN(Queries queries, Queries::Read(files.queries));
  EQUIPOISE_ASSIGN_OR_RETURN(Judgments judgments, Judgments::Read(files.qrels));
  EQUIPOISE_ASSIGN_OR_RETURN(MatrixFile embeddings, MatrixFile::Open(files.query_embeddings));
  EQUIPOISE_RETURN_IF_ERROR(CheckFinite(embeddings.view(), files.query_embeddings));
  Answers answers;
  if (!files.answers.empty()) {
    EQUIPOISE_ASSIGN_OR_RETURN(answers, Answers::Read(files.answers));
  }
  Subtopics subtopics;
  if (!files.subtopics.empty()) {
    EQUIPOISE_ASSIGN_OR_RETURN(subtopics, Subtopics::Read(files.subtopics));
  }
  if (embeddings.rows() != queries.size())
    return Status(Code::kInvalidArgument,
                  fmt::format("has {} rows, {} has {} queries", embeddings.rows(), files.queries,
                              queries.size()),
                  {.file = files.query_embeddings});
  return JudgedSource{.folder = files.index,
                      .name = LastName(files.index),
                      .engine = std::move(engine),
                      .queries = std::move(queries),
                      .judgments = std::move(judgments),
                      .embeddings = std::move(embeddings),
                      .answers = std::move(answers),
                      .subtopics = std::move(subtopics)};
}

}  // namespace equipoise
