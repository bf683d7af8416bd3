#include "judged_options.h"

#include <filesystem>

#include <fmt/format.h>

#include <equipoise/core/check.h>

#include "options.h"
#include "output.h"

namespace equipoise::cli {
namespace {

/// The first of the names that is in the folder; the first of all where none is, so that it is named.
std::string FirstOf(const std::string& folder, std::initializer_list<const char*> names) {
  std::error_code ignored;
  for (const char* name : names)
    if (std::filesystem::exists(std::filesystem::path(folder) / name, ignored))
      return (std::filesystem::path(folder) / name).string();
  return (std::filesystem::path(folder) / *names.begin()).string();
}

}  // namespace

Result<std::vector<StudySource>> JudgedOptions::Read() const {
  const std::size_t n = indexes_.size();
  const auto fits = [n](const char* option, const std::vector<std::string>& files) -> Status {
    if (files.size() == n) return {};
    return Status(Code::kInvalidArgument,
                  fmt::format("give one for each index, in their order: {} for {}", files.size(),
                              Counted(n, "index", "indexes")),
                  {.field = option});
  };
  std::vector<StudySource> out;
  if (!data_.empty()) {
    if (!queries_.empty() || !embeddings_.empty() || !qrels_.empty())
      return Status(Code::kInvalidArgument, "stands for --queries, --query-embeddings and --qrels",
                    {.field = "--data"});
    EQUIPOISE_RETURN_IF_ERROR(fits("--data", data_));
    for (std::size_t i = 0; i < n; ++i)
      out.push_back({.index = indexes_[i],
                     .queries = FirstOf(data_[i], {"queries.jsonl"}),
                     .query_embeddings =
                         FirstOf(data_[i], {"queries.npy", "queries.f16.npy", "queries.fvecs"}),
                     .qrels = FirstOf(data_[i], {"qrels/test.tsv", "qrels.tsv"})});
    return out;
  }
  EQUIPOISE_RETURN_IF_ERROR(fits("--queries", queries_));
  EQUIPOISE_RETURN_IF_ERROR(fits("--query-embeddings", embeddings_));
  EQUIPOISE_RETURN_IF_ERROR(fits("--qrels", qrels_));
  for (std::size_t i = 0; i < n; ++i)
    out.push_back({.index = indexes_[i],
                   .queries = queries_[i],
                   .query_embeddings = embeddings_[i],
                   .qrels = qrels_[i]});
  return out;
}

void JudgedOptions::Add(CLI::App* app, bool needed) {
  app->add_option("index", indexes_, "Folders of the indexes")->required(needed);
  app->add_option("--data", data_,
                  "For each index a folder in BEIR's layout: queries.jsonl, qrels/test.tsv and "
                  "queries.npy, queries.f16.npy or queries.fvecs");
  app->add_option("--queries", queries_, "Instead of --data: queries.jsonl for each index");
  app->add_option("--query-embeddings,--embeddings", embeddings_, "and their embeddings");
  app->add_option("--qrels", qrels_, "and their judgments");
}

void StreamOptions::Add(CLI::App* app, StudyOptions* options) {
  app->add_option("--stream", options->stream,
                  "The queries; without it every judged one, one domain an index")
      ->check(Named());
  app->add_option("--orders", options->orders, "Random orders (200)")
      ->check(WholeNumber(1, 100'000));
  app->add_option("--horizon", options->horizon, "Most queries of a domain in an order (100)")
      ->check(WholeNumber(1, 1'000'000));
  app->add_option("--feedback", feedback_, "full: all candidates judged; shown: the ten shown")
      ->check(OneOf({"full", "shown"}));
  app->add_option("--seed", options->seed, "Of orders and policies (1)")
      ->check(WholeNumber(0, 4'000'000'000));
}

}  // namespace equipoise::cli
