#include "policy_json.h"

#include <nlohmann/json.hpp>

namespace equipoise {

using nlohmann::json;

std::string OptionsToJson(const CurvePolicyOptions& options, const CurveConstants& constants) {
  json priors = json::array();  // a name may hold any bytes: as numbers
  for (const auto& [domain, prior] : options.priors) {
    priors.push_back({{"domain", std::vector<unsigned char>(domain.begin(), domain.end())},
                      {"alpha", prior.alpha},
                      {"strength", prior.strength},
                      {"normalization", std::vector<unsigned char>(prior.normalization.begin(),
                                                                   prior.normalization.end())}});
    if (!prior.curve.empty()) priors.back()["curve"] = prior.curve;
  }
  const json object = {{"priors", std::move(priors)},
                       {"prior_alpha", options.prior_alpha},
                       {"both_paths_share", options.both_paths_share},
                       {"exploration", options.exploration},
                       {"lexical_price", options.lexical_price},
                       {"vector_price", options.vector_price},
                       {"lowest_alpha", options.lowest_alpha},
                       {"highest_alpha", options.highest_alpha},
                       {"largest_step", options.largest_step},
                       {"largest_loss", options.largest_loss},
                       {"unjudged", options.unjudged},
                       {"false_share", options.false_share},
                       {"watch", options.watch},
                       {"change_evidence", options.change_evidence},
                       {"grid", options.grid},
                       {"draws", options.draws},
                       {"seed", options.seed},
                       {"max_domains", options.max_domains},
                       {"constants",
                        {{"mode_power", constants.mode_power},
                         {"global_scale", constants.global_scale},
                         {"scales", constants.scales},
                         {"curvature", constants.curvature},
                         {"noise", constants.noise},
                         {"noise_queries", constants.noise_queries},
                         {"domain_noise_queries", constants.domain_noise_queries},
                         {"scale_domains", constants.scale_domains},
                         {"roughness", constants.roughness}}}};
  return object.dump();
}

Status OptionsFromJson(std::string_view text, const std::string& path, CurvePolicyOptions* options,
                       CurveConstants* constants) {
  try {
    const json object = json::parse(text);
    for (const json& item : object.at("priors")) {
      const auto domain = item.at("domain").get<std::vector<unsigned char>>();
      const auto normalization = item.at("normalization").get<std::vector<unsigned char>>();
      options->priors[std::string(domain.begin(), domain.end())] = {
          .alpha = item.at("alpha"),
          .strength = item.at("strength"),
          .normalization = std::string(normalization.begin(), normalization.end()),
          .curve = item.value("curve", std::vector<double>())};
    }
    options->prior_alpha = object.at("prior_alpha");
    options->both_paths_share = object.at("both_paths_share");
    options->exploration = object.at("exploration");
    options->lexical_price = object.at("lexical_price");
    options->vector_price = object.at("vector_price");
    // Files that are older lack these.
    options->lowest_alpha = object.value("lowest_alpha", options->lowest_alpha);
    options->highest_alpha = object.value("highest_alpha", options->highest_alpha);
    options->largest_step = object.value("largest_step", options->largest_step);
    options->largest_loss = object.value("largest_loss", options->largest_loss);
    options->unjudged = object.value("unjudged", options->unjudged);
    options->false_share = object.value("false_share", options->false_share);
    options->watch = object.value("watch", options->watch);
    options->change_evidence = object.value("change_evidence", options->change_evidence);
    options->grid = object.at("grid");
    options->draws = object.at("draws");
    options->seed = object.at("seed");
    options->max_domains = object.at("max_domains");
    const json& c = object.at("constants");
    constants->mode_power = c.at("mode_power");
    constants->global_scale = c.at("global_scale");
    constants->scales = c.at("scales");
    constants->curvature = c.at("curvature");
    constants->noise = c.at("noise");
    constants->noise_queries = c.at("noise_queries");
    constants->domain_noise_queries = c.at("domain_noise_queries");
    constants->scale_domains = c.at("scale_domains");
    constants->roughness = c.at("roughness");
    return {};
  } catch (const json::exception& error) {
    return Status(Code::kCorruption,
                  std::string("the options of the policy cannot be read: ") + error.what(),
                  {.file = path, .field = "options"});
  }
}

}  // namespace equipoise
