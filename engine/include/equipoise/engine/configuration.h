/// One configuration of a search as one JSON file: what `tune` finds, `pick` chooses, and `search`, `eval`,
/// `learn` and Engine run.
///
///   {"format": 1, "alpha": 0.4, "fusion": "minmax", "lexical_depth": 60, "vector_depth": 100}
///
///   auto configuration = equipoise::ReadConfiguration("mine.json");
///   auto found = engine->Search({.text = "...", .embedding = q}, *configuration);
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <equipoise/core/export.h>
#include <equipoise/core/status.h>
#include <equipoise/kernels/simd_level.h>
#include <equipoise/kernels/similarity.h>
#include <equipoise/retrieval/collection.h>

namespace equipoise {

/// Whether a GPU is used.
enum class GpuUse : std::uint8_t { kAuto, kOff, kRequired };

/// "auto", "off", "required".
EQUIPOISE_API std::string_view GpuUseName(GpuUse use);

/// Every value with what SearchRequest has where nothing is said. What the defaults stand on:
///   alpha, fusion    FusionWeights and `./dev bench offline`; with a policy `./dev bench bandit`
///   depths           `./dev bench offline` and `hybrid` measure with 100
///   target_recall    what the index was measured at when it was built; `./dev bench peers-vector`
///   bandit           `./dev bench bandit`: what learning gains over fixed weights
///   filter           LearningFilter (engine/learning.h) and `./dev bench filter`
///   gpu              kGpuMinMultiplyAdds, from `./dev bench kernels`
///   simd             the best level there is, `./dev bench kernels`
///   near_duplicate   off: judged sets hold near-duplicates that are relevant
/// A convention, and no measurement: mmr_candidates, as many as the depth; rescore, whose 0 is VectorIndex's
/// own rule; 0.95 for near_duplicate; detector and router, which do nothing until one is given.
///
/// Not in here, since a program decides them: k, min_score, syntax, deadline, cancellation and parallel_paths
/// of a request; LearningOptions and FeedbackLogOptions; which detector, policy and front are used.
struct Configuration {
  std::optional<double> alpha{};         ///< in [0, 1]; absent: the policy decides, else the index
  std::optional<FusionMethod> fusion{};  ///< absent: that of the index
  std::size_t lexical_depth = 100;       ///< in [1, 10^6]
  std::size_t vector_depth = 100;        ///< in [1, 10^6]
  std::size_t ef_search = 0;             ///< in [0, 10^6]; 0: until the target recall
  double target_recall = 0;              ///< in [0, 0.9999]; 0: that of the index
  std::size_t rescore = 0;               ///< in [0, 10^6]; 0: chosen by the depth
  bool exact = false;
  std::optional<double> mmr{};       ///< λ as SearchRequest::mmr, in [0, 1]; absent: hits by score
  std::size_t mmr_candidates = 100;  ///< in [1, 10^6]
  /// As SearchRequest::near_duplicate, in (0, 1]; absent: near-duplicates stay.
  std::optional<double> near_duplicate{};

  // What may be switched off, one at a time; of Engine, and `simd` of the whole process.
  bool detector = true;  ///< domains of queries that name none are detected
  bool bandit = true;    ///< the policy decides α where nobody else does; off: the index does
  bool filter =
      true;  ///< feedback goes through the filter; off: a rating counts by its own confidence and age
  bool router = true;          ///< a preference picks from the front; off: this configuration runs
  GpuUse gpu = GpuUse::kAuto;  ///< of a DomainDetector, when it is loaded with SimilarityOf
  SimdLevel simd = SimdLevel::kAuto;  ///< as UseSimdLevel

  friend bool operator==(const Configuration&, const Configuration&) = default;
};

/// Errors   kInvalidArgument naming the key and its range
EQUIPOISE_API Status CheckConfiguration(const Configuration& configuration);

/// Reads a configuration: one JSON object, every key optional, as ConfigurationSchema says.
/// Errors   kNotFound, kIo; kInvalidArgument with file and key: not JSON, a key that is unknown, there twice,
///          of another type or out of its range; kUnsupported: of another format; kOutOfMemory
EQUIPOISE_API Result<Configuration> ReadConfiguration(const std::string& path);
/// The same from memory; `name` stands for the file in messages.
EQUIPOISE_API Result<Configuration> ParseConfiguration(std::string_view json,
                                                       const std::string& name);

/// The configuration as one JSON object on several lines, which ParseConfiguration reads back.
/// Range    what CheckConfiguration accepts
EQUIPOISE_API std::string ConfigurationJson(const Configuration& configuration);

/// Errors   kInvalidArgument: as CheckConfiguration, or `path` is no regular file; kIo
EQUIPOISE_API Status WriteConfiguration(const Configuration& configuration,
                                        const std::string& path);

/// What a file may hold, as a JSON schema (draft 2020-12), made from the table that the reader uses.
EQUIPOISE_API std::string ConfigurationSchema();

/// Whether this machine has what the configuration asks for.
/// Errors   kUnsupported naming the key, what is asked and what there is: an instruction set, a GPU
EQUIPOISE_API Status CheckMachine(const Configuration& configuration);
/// CheckMachine, and from now on this process computes with the configuration's instruction set, as
/// UseSimdLevel.
EQUIPOISE_API Status UseMachine(const Configuration& configuration);
/// How a DomainDetector is to be loaded with the configuration.
EQUIPOISE_API SimilarityOptions SimilarityOf(const Configuration& configuration);

/// The request that runs a query with a configuration. The request's own α, fusion, mmr and near_duplicate go first; the
/// configuration's α belongs to its fusion, and is left out where the request names another one, or where
/// it is 0 and the query has no embedding. All else that a configuration holds is the configuration's.
/// Shapes   stored: the index's method, for which an α without a fusion stands
EQUIPOISE_API SearchRequest Configured(const SearchRequest& request,
                                       const Configuration& configuration, FusionMethod stored);

}  // namespace equipoise
