/// What a policy believes before there is feedback: an α for each domain, and how firmly.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <equipoise/core/export.h>
#include <equipoise/core/status.h>

namespace equipoise {

struct DomainPrior {
  double alpha = 0.5;   ///< in [0, 1]: the weight of the lexical path
  double strength = 5;  ///< pseudo-queries that say so, >= 0; it fades as feedback comes
  /// The fusion that this α was found with (FusionName); an α means nothing with another.
  std::string normalization = "minmax_union";
  /// Mean reward at equal steps of α from 0 to 1, in [0, 1]: of 3 to 1001 values. CurvePolicy starts from it
  /// instead of from a peak at `alpha`. Empty: nothing but `alpha` is known.
  std::vector<double> curve{};
};

/// Domain -> prior.
using PolicyPriors = std::map<std::string, DomainPrior, std::less<>>;

/// healthcare 0.7 / 0.3, finance 0.5 / 0.5, general 0.4 / 0.6, as data/priors.json.
EQUIPOISE_API PolicyPriors ShippedPriors();

/// Reads a priors file, one JSON object:
///   {"format": 1, "domains": {"finance": {"alpha": 0.5, "beta": 0.5, "strength": 5,
///                                         "normalization": "minmax_union"}, ...}}
/// `beta` may be left out; strength and normalization too, with the defaults of DomainPrior.
/// Errors   kNotFound, kIo; kInvalidArgument with file and field: not JSON, a field that is unknown,
///          missing or of another type, α outside [0, 1], α + β other than 1, strength negative;
///          kUnsupported: a newer format
EQUIPOISE_API Result<PolicyPriors> ReadPriors(const std::string& path);
/// The same from memory; `name` stands for the file in messages.
EQUIPOISE_API Result<PolicyPriors> ParsePriors(std::string_view json, const std::string& name);

/// Refuses priors of another normalization than the one that is searched with.
/// Errors   kInvalidArgument naming the domain
EQUIPOISE_API Status CheckNormalization(const PolicyPriors& priors, std::string_view normalization);

}  // namespace equipoise
