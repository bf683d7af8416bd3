/// Which domain does a query belong to? A small model over embeddings, fitted on labelled rows.
///
///   auto fitted = equipoise::DomainDetector::Fit(embeddings, labels);
///   std::vector<equipoise::DomainGuess> guesses(queries.rows);
///   fitted->Detect(queries, guesses);
///   if (!guesses[0].general) Use(fitted->domains()[guesses[0].domain], guesses[0].probability);
///
/// Each domain has one prototype or several: a vector w and an offset b. The share of domain c in a
/// query x of unit length is Σ over c's prototypes of exp(w·x + b), normalized over all domains; its
/// probability is prior · (share / prior)^t, normalized; and that of the first domain is then
/// corrected on held-out rows. A centroid and a linear layer are the case of one prototype, so that
/// every method costs one matrix product. How many prototypes, and how strongly they are trained, is
/// chosen on held-out rows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <equipoise/core/callbacks.h>
#include <equipoise/core/export.h>
#include <equipoise/core/matrix_view.h>
#include <equipoise/core/status.h>
#include <equipoise/kernels/similarity.h>

namespace equipoise {

/// How the prototypes come about. The numbers are stored in files.
enum class DomainMethod : std::uint8_t {
  kAuto = 0,        ///< whichever is best on held-out rows
  kCentroid = 1,    ///< the mean direction of each domain, not trained
  kLinear = 2,      ///< one trained vector a domain: multinomial logistic regression
  kPrototypes = 3,  ///< k-means in each domain, then trained together
};

/// "auto", "centroid", "linear" or "prototypes".
EQUIPOISE_API std::string_view DomainMethodName(DomainMethod method);

/// What a query has in common with the rows of Fit: it decides what "held out" means for the
/// step and the calibration, and what is known about how often each domain is asked for.
enum class DomainSource : std::uint8_t {
  /// Queries are like the rows: held out are single rows.
  kRows = 0,
  /// Rows are documents of collections, queries are something else: held out are whole topics
  /// (clusters of rows), because what documents share beside their subject (style, length) makes a
  /// held-out row easier than a query.
  kCollections = 1,
};

/// How often each domain is expected to be asked for.
enum class DomainPriors : std::uint8_t {
  kAuto = 0,   ///< kFrequency for DomainSource::kRows, kUniform for kCollections
  kFrequency,  ///< as often as it has rows
  kUniform,    ///< all alike
};

struct DomainDetectorOptions {
  // What is detected.
  DomainMethod method = DomainMethod::kAuto;
  DomainSource source = DomainSource::kRows;
  DomainPriors priors = DomainPriors::kAuto;
  /// Where not empty, how often each domain is asked for, instead of `priors`: every domain, > 0;
  /// they are scaled to the sum 1.
  std::map<std::string, double> given_priors{};
  /// A query is `general` below this calibrated probability. [0, 1]
  double threshold = 0.5;
  /// Largest number of prototypes a domain, [1, 1024]. A domain never has more than a twentieth of
  /// its rows. 0: chosen among 1, 4, 16 and 64.
  std::size_t prototypes = 0;
  /// Domains of fewer rows are left out; 0 leaves none out, and a domain of one row is refused.
  std::size_t min_rows = 0;

  // How it is computed.
  /// Share of the rows that are held out to choose a model. [0.05, 0.5]
  double held_out_share = 0.2;
  std::uint64_t seed = 12345;
  /// Detect with 8-bit codes of the prototypes, beside the prototypes themselves: faster where the
  /// processor multiplies bytes. Query values beyond 99 % of those of the rows are clipped.
  bool int8 = false;
  /// Threads, backend and instruction set, of Fit and of the detector that it returns.
  SimilarityOptions similarity{};

  /// Stages "choosing", "calibrating" and "fitting".
  ProgressCallback progress{};
};

/// The answer for one query. Domains are positions in DomainDetector::domains().
struct DomainGuess {
  std::uint32_t domain = 0;
  std::uint32_t second = 0;
  float probability = 0;  ///< calibrated, of `domain`
  float margin = 0;       ///< probability less that of `second`; >= 0
  bool general = false;   ///< the probability is below the threshold, or the query is a zero vector

  friend bool operator==(const DomainGuess&, const DomainGuess&) = default;
};

/// One model that Fit tried, with what it reached on the held-out rows.
struct DomainTrial {
  DomainMethod method = DomainMethod::kCentroid;
  std::uint32_t prototypes = 1;  ///< a domain, at most
  float step = 0;                ///< length of a training step; 0: not trained
  float accuracy = 0;            ///< under the priors: with uniform ones, the mean over domains
  float below_best = 0;          ///< how far below the best one
  float standard_error = 0;      ///< of that difference, over the same rows
  std::uint32_t topics = 0;      ///< 1: whole topics were held out, to choose the step
  std::uint32_t chosen = 0;      ///< 1: this one
};

/// What is known about a fitted model.
struct DomainModelInfo {
  std::size_t dimensions = 0;
  std::size_t prototypes = 0;  ///< of all domains
  std::size_t rows = 0;        ///< that it was fitted on
  std::size_t left_out = 0;    ///< rows of zeros, and of domains below min_rows
  DomainMethod method = DomainMethod::kCentroid;
  DomainSource source = DomainSource::kRows;
  bool int8 = false;
  double threshold = 0;
  double temperature = 1;        ///< 1 / t
  double held_out_accuracy = 0;  ///< on the rows that calibrated it, under the priors
  std::uint64_t updates = 0;     ///< rows given to Update so far
  std::vector<double> priors{};  ///< of the domains
  std::vector<DomainTrial> trials{};
};

/// Threads  Detect is const and safe from many threads; Update is one thread at a time, with no
///          Detect meanwhile
class EQUIPOISE_API DomainDetector {
 public:
  /// Fits a model to labelled rows.
  /// Shapes   rows [n, d]; labels [n], labels[i] names the domain of row i
  /// Range    2 <= domains <= 65,535, 1 <= d <= 32,768, n < 2³¹; rows need not have unit length: only
  ///          their direction counts, and rows of zeros are left out
  /// Order    domains() is in ascending byte order
  /// Errors   kInvalidArgument: sizes or options out of range, an empty label, a NaN or an infinity
  ///          (row named), fewer than two domains, a domain with a single row (named);
  ///          kCancelled by the progress callback; kOutOfMemory; those of the backend
  /// Threads  options.similarity.threads, on the CPU; the same model at any number of them, on one
  ///          instruction set; memory
  ///          about 4 n d bytes, and as much again for the largest domain
  /// Source   prototypes: Geva & Sitte 1991 (doi:10.1109/72.80344) and Bonilla & Robles-Kelly 2012
  ///          (soft learning vector quantization); the gentlest training within one standard error:
  ///          Breiman et al. 1984; temperature: Guo et al. 2017, arXiv:1706.04599; correction of
  ///          the first probability: beta calibration, Kull et al. 2017 (PMLR 54), and how near the
  ///          query is to a prototype. Accuracy on judged sets: ./dev bench domains
  static Result<DomainDetector> Fit(const EmbeddingsView& rows,
                                    std::span<const std::string_view> labels,
                                    const DomainDetectorOptions& options = {});

  /// Detects the domain of each query.
  /// Shapes   queries [m, d]; out [m]
  /// Range    m >= 1; only the direction counts; a zero query is `general`, its domain the one with
  ///          the largest prior
  /// Order    out[i] belongs to query i; equal probabilities go to the first domain
  /// Errors   kInvalidArgument: m = 0, d differs, out.size() != m, a NaN or an infinity (row named);
  ///          kOutOfMemory; those of the backend
  /// Threads  const, safe from many threads; each keeps O(min(m, 256) (d + prototypes)) scratch for
  ///          its next call, so that a call of a size that it has seen allocates nothing of its own
  Status Detect(const EmbeddingsView& queries, std::span<DomainGuess> out) const;

  /// The calibrated probability of every domain.
  /// Shapes   queries [m, d]; out [m, domains().size()]; each row sums to 1
  /// Errors   as Detect
  Status Probabilities(const EmbeddingsView& queries, std::span<float> out) const;

  /// Learns from labelled queries without the rows of Fit: first corrects the calibration by how
  /// right the model was about them, then moves the prototypes by a few small steps that the
  /// prototypes themselves, as rows of their domains, hold back. A label that is no domain yet
  /// becomes one, with the mean of its rows as prototype.
  /// Shapes   queries [m, d]; labels [m]
  /// Range    as Fit; m >= 1; one row may make a domain; a batch of 10 to 1,000 rows is best
  /// Order    domains() stays sorted, so that a new domain moves the positions of those after it
  /// Errors   as Fit; on any error the model is as it was
  Status Update(const EmbeddingsView& queries, std::span<const std::string_view> labels);

  /// Writes the model to one checked file, replacing `path` in one step.
  /// Errors   kInvalidArgument: `path` exists and is not a regular file; kIo
  Status Save(const std::string& path) const;
  /// Reads what Save wrote and checks every byte. `similarity` is not stored.
  /// Errors   kNotFound, kIo; kCorruption: another kind of file, cut or changed; kUnsupported: a
  ///          newer version; kOutOfMemory; those of the backend
  static Result<DomainDetector> Load(const std::string& path,
                                     const SimilarityOptions& similarity = {});

  DomainDetector(DomainDetector&&) noexcept;
  DomainDetector& operator=(DomainDetector&&) noexcept;
  ~DomainDetector();

  /// The domains' names. Valid until Update.
  std::span<const std::string> domains() const;
  std::size_t dimensions() const;
  const DomainModelInfo& info() const;
  double threshold() const;
  /// Range    [0, 1]
  Status SetThreshold(double threshold);

 private:
  struct State;
  explicit DomainDetector(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace equipoise
