#include "configuration_options.h"

#include <equipoise/core/check.h>

#include "options.h"

namespace equipoise::cli {

void ConfigurationOptions::Add(CLI::App* app, const std::string& group, std::uint64_t least) {
  app->add_option("--config", file_,
                  "Configuration, as tune and pick write it; the options here go before it")
      ->check(Named())
      ->group(group);
  depth_option_ =
      app->add_option("--depth", depth_, "Results taken from each path before they are fused")
          ->check(WholeNumber(least, 1'000'000))
          ->capture_default_str()
          ->group(group);
  ef_option_ = app->add_option("--ef-search", ef_search_,
                               "Beam of the vector search; 0: until the target recall")
                   ->check(WholeNumber(0, 1'000'000))
                   ->capture_default_str()
                   ->group(group);
  recall_option_ =
      app->add_option("--target-recall", target_recall_,
                      "Share of the true 10 best to aim at, below 1; 0: the index's own")
          ->check(InRange(0.0, 0.9999))
          ->capture_default_str()
          ->group(group);
  app->add_flag("--exact", exact_, "Compare with every vector instead of walking the graph")
      ->group(group);
}

Result<Configuration> ConfigurationOptions::Read() const {
  Configuration out;
  if (!file_.empty()) {
    EQUIPOISE_ASSIGN_OR_RETURN(out, ReadConfiguration(file_));
  }
  if (depth_option_->count() > 0) out.lexical_depth = out.vector_depth = depth_;
  if (ef_option_->count() > 0) out.ef_search = ef_search_;
  if (recall_option_->count() > 0) out.target_recall = target_recall_;
  if (exact_) out.exact = true;
  EQUIPOISE_RETURN_IF_ERROR(UseMachine(out).At({.file = file_}));
  return out;
}

}  // namespace equipoise::cli
