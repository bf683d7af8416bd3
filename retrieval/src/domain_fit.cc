// Fitting a domain detector: which model, calibrated on what, then all rows.
#include <algorithm>
#include <cmath>
#include <new>
#include <numeric>

#include <equipoise/core/check.h>
#include <equipoise/core/random.h>

#include "domain_rows.h"
#include "domain_state.h"

namespace equipoise {
namespace {

using domain::Calibration;
using domain::CalibrationRow;
using domain::LabelledRows;
using domain::Prepared;
using domain::Prototypes;
using domain::TrainOptions;

// Of each kind a gentle step, which leaves prototypes near the centers of their rows, and one that
// goes to where the loss is least. ./dev bench domains prints what each reaches.
constexpr float kSteps[] = {1, 20};
constexpr std::size_t kCounts[] = {4, 16, 64};
constexpr std::size_t kChoosingRows = 60'000;
constexpr std::size_t kChoosingPasses = 3;
constexpr std::size_t kPasses = 6;
constexpr std::size_t kFolds = 5;
// More rows than this calibrate on one fold: the others would only cost time.
constexpr std::size_t kCrossFittedRows = 30'000;
constexpr std::size_t kMostCalibrationRows = 20'000;
constexpr std::size_t kTopics = 10;  // a domain
constexpr std::size_t kMaxPrototypes = 1024;
constexpr std::size_t kReports = 100;

Status CheckOptions(const DomainDetectorOptions& options) {
  EQUIPOISE_CHECK_RANGE("DomainDetector::Fit", options.threshold, 0.0, 1.0);
  if (options.prototypes > kMaxPrototypes)
    return Status(Code::kInvalidArgument,
                  fmt::format("DomainDetector::Fit: prototypes = {} is out of range [0, {}]",
                              options.prototypes, kMaxPrototypes),
                  {.field = "prototypes"});
  EQUIPOISE_CHECK_RANGE("DomainDetector::Fit", options.held_out_share, 0.05, 0.5);
  return {};
}

/// How much a row of each domain counts among these rows, so that domains count as their priors; 1
/// on average.
std::vector<double> RowWeights(const Prepared& rows, std::span<const std::uint32_t> use,
                               const std::vector<double>& priors) {
  std::vector<double> counts(priors.size());
  double present = 0;
  for (const std::uint32_t i : use) counts[rows.labels[i]] += 1;
  for (std::size_t c = 0; c < counts.size(); ++c) present += counts[c] > 0 ? priors[c] : 0;
  std::vector<double> out(priors.size(), 1.0);
  for (std::size_t c = 0; c < counts.size(); ++c)
    if (counts[c] > 0) out[c] = priors[c] / present * static_cast<double>(use.size()) / counts[c];
  return out;
}

struct Split {
  std::vector<std::uint32_t> train;
  std::vector<std::uint32_t> held_out;
};

/// Rows of each domain in random order, those of one domain together.
std::vector<std::vector<std::uint32_t>> ShuffledByDomain(const Prepared& rows, std::uint64_t seed) {
  std::vector<std::vector<std::uint32_t>> out(rows.names.size());
  for (std::size_t i = 0; i < rows.labels.size(); ++i)
    out[rows.labels[i]].push_back(static_cast<std::uint32_t>(i));
  for (std::size_t c = 0; c < out.size(); ++c) Random::Stream(seed, c).Shuffle(std::span(out[c]));
  return out;
}

/// Some rows of every domain on either side.
Split SplitRows(const Prepared& rows, double share, std::size_t most, std::uint64_t seed) {
  const double kept =
      std::min(1.0, static_cast<double>(most) /
                        static_cast<double>(std::max<std::size_t>(rows.labels.size(), 1)));
  Split out;
  for (auto& members : ShuffledByDomain(rows, seed)) {
    const auto part = [&](double of, std::size_t least, std::size_t largest) {
      return std::clamp(static_cast<std::size_t>(std::lround(of)), least, largest);
    };
    const std::size_t n = part(kept * static_cast<double>(members.size()), 2, members.size());
    const std::size_t held = part(share * static_cast<double>(n), 1, n - 1);
    out.held_out.insert(out.held_out.end(), members.begin(),
                        members.begin() + static_cast<std::ptrdiff_t>(held));
    out.train.insert(out.train.end(), members.begin() + static_cast<std::ptrdiff_t>(held),
                     members.begin() + static_cast<std::ptrdiff_t>(n));
  }
  return out;
}

/// A fold for each row: of single rows, or of whole clusters of rows. Every domain has rows in two
/// folds at least.
Result<std::vector<std::uint32_t>> Folds(const Prepared& rows, DomainSource source,
                                         std::uint64_t seed, const SimilarityOptions& similarity) {
  std::vector<std::uint32_t> fold(rows.labels.size());
  auto by_domain = ShuffledByDomain(rows, seed);
  std::vector<float> gathered;
  std::vector<float> centers;
  std::vector<std::uint32_t> cluster;
  for (std::size_t c = 0; c < by_domain.size(); ++c) {
    const auto& members = by_domain[c];
    for (std::size_t i = 0; i < members.size(); ++i)
      fold[members[i]] = static_cast<std::uint32_t>((i + c) % kFolds);
    if (source == DomainSource::kRows || members.size() < 2 * kTopics) continue;
    gathered.resize(members.size() * rows.dim);
    for (std::size_t i = 0; i < members.size(); ++i)
      std::copy_n(rows.rows.data() + members[i] * rows.dim, rows.dim,
                  gathered.data() + i * rows.dim);
    EQUIPOISE_RETURN_IF_ERROR(domain::Cluster(gathered.data(), members.size(), rows.dim, kTopics,
                                              seed + c, similarity, &centers, &cluster));
    const auto [least, most] = std::minmax_element(cluster.begin(), cluster.end());
    if (*least % kFolds == *most % kFolds) continue;  // equal rows have no topics
    for (std::size_t i = 0; i < members.size(); ++i)
      fold[members[i]] = static_cast<std::uint32_t>((cluster[i] + c) % kFolds);
  }
  return fold;
}

/// RowWeights of each held-out row.
std::vector<double> HeldWeights(const Prepared& rows, std::span<const std::uint32_t> held_out,
                                const std::vector<double>& priors) {
  const auto by_domain = RowWeights(rows, held_out, priors);
  std::vector<double> out;
  for (const std::uint32_t i : held_out) out.push_back(by_domain[rows.labels[i]]);
  return out;
}

bool EveryDomainIn(const Prepared& rows, std::span<const std::uint32_t> use) {
  std::vector<bool> seen(rows.names.size());
  for (const std::uint32_t i : use) seen[rows.labels[i]] = true;
  return std::find(seen.begin(), seen.end(), false) == seen.end();
}

/// The first trial within one standard error of the best.
DomainTrial& FirstNearBest(std::vector<DomainTrial>* trials) {
  return *std::find_if(trials->begin(), trials->end(), [](const DomainTrial& trial) {
    return trial.below_best <= trial.standard_error;
  });
}

/// Progress of one stage, in rows × passes weighted by what they cost.
class Stage {
 public:
  Stage(const ProgressCallback& progress, std::string_view name, double total)
      : progress_(progress), name_(name), total_(std::max(total, 1.0)) {}

  static double Cost(std::size_t rows, std::size_t prototypes) {
    return static_cast<double>(rows) * static_cast<double>(prototypes + 32);
  }
  domain::Ticker Of(std::size_t prototypes) {
    return [this, prototypes](std::size_t rows) { return Add(Cost(rows, prototypes)); };
  }
  bool Add(double cost) {
    done_ = std::min(total_, done_ + cost);
    if (!progress_ || done_ < next_) return true;
    next_ = done_ + total_ / kReports;
    return progress_({.stage = name_,
                      .done = static_cast<std::uint64_t>(done_),
                      .total = static_cast<std::uint64_t>(total_)});
  }

 private:
  const ProgressCallback& progress_;
  std::string_view name_;
  double total_;
  double done_ = 0;
  double next_ = 0;
};

/// Logits [rows, domains] and nearness of given rows.
Status Score(const Prototypes& model, const Prepared& rows, std::span<const std::uint32_t> use,
             const SimilarityOptions& similarity, float* logits, float* nearness) {
  constexpr std::size_t kChunk = 256;
  const std::vector<float> inverse_norms = domain::InverseNorms(model);
  std::vector<float> gathered(kChunk * rows.dim);
  std::vector<float> products(kChunk * model.size());
  for (std::size_t from = 0; from < use.size(); from += kChunk) {
    const std::size_t n = std::min(kChunk, use.size() - from);
    for (std::size_t i = 0; i < n; ++i)
      std::copy_n(rows.rows.data() + use[from + i] * rows.dim, rows.dim,
                  gathered.data() + i * rows.dim);
    EQUIPOISE_RETURN_IF_ERROR(domain::Products(gathered.data(), n, model.weights.data(),
                                               model.size(), rows.dim, similarity,
                                               products.data()));
    for (std::size_t i = 0; i < n; ++i)
      nearness[from + i] =
          domain::DomainLogits(model, inverse_norms, products.data() + i * model.size(),
                               logits + (from + i) * model.domains());
  }
  return {};
}

std::vector<DomainTrial> Candidates(const DomainDetectorOptions& options) {
  std::vector<DomainTrial> out;
  const DomainMethod method = options.method;
  const bool all = method == DomainMethod::kAuto;
  if (all || method == DomainMethod::kCentroid) out.push_back({.method = DomainMethod::kCentroid});
  for (const float step : kSteps) {
    if (all || method == DomainMethod::kLinear)
      out.push_back({.method = DomainMethod::kLinear, .step = step});
    if (!all && method != DomainMethod::kPrototypes) continue;
    if (options.prototypes > 0) {
      out.push_back({.method = DomainMethod::kPrototypes,
                     .prototypes = static_cast<std::uint32_t>(options.prototypes),
                     .step = step});
      continue;
    }
    for (const std::size_t count : kCounts)
      out.push_back({.method = DomainMethod::kPrototypes,
                     .prototypes = static_cast<std::uint32_t>(count),
                     .step = step});
  }
  return out;
}

/// Trains one candidate on a split and says which held-out rows it gets right.
Status Try(const Prepared& rows, const std::vector<double>& priors, const Split& split,
           const DomainDetectorOptions& options, Stage* stage, DomainTrial* trial,
           std::vector<bool>* right) {
  const SimilarityOptions similarity = domain::OnCpu(options.similarity);
  const std::size_t domains = rows.names.size();
  EQUIPOISE_ASSIGN_OR_RETURN(
      const Prototypes model,
      domain::Train(rows.data(), split.train, RowWeights(rows, split.train, priors),
                    {.prototypes = trial->prototypes,
                     .step = trial->step,
                     .passes = kChoosingPasses,
                     .seed = options.seed,
                     .similarity = similarity,
                     .ticker = stage->Of(trial->prototypes * domains)}));
  std::vector<float> logits(split.held_out.size() * domains);
  std::vector<float> nearness(split.held_out.size());
  EQUIPOISE_RETURN_IF_ERROR(
      Score(model, rows, split.held_out, similarity, logits.data(), nearness.data()));
  const auto weights = RowWeights(rows, split.held_out, priors);
  right->assign(split.held_out.size(), false);
  double sum = 0;
  for (std::size_t i = 0; i < right->size(); ++i) {
    const float* row = logits.data() + i * domains;
    const std::uint32_t label = rows.labels[split.held_out[i]];
    (*right)[i] = static_cast<std::size_t>(std::max_element(row, row + domains) - row) == label;
    sum += (*right)[i] ? weights[label] : 0;
  }
  trial->accuracy = static_cast<float>(sum / static_cast<double>(right->size()));
  return {};
}

/// How far the trials are below the best of them, with standard errors over the same rows.
void Compare(const std::vector<std::vector<bool>>& right, const std::vector<double>& row_weights,
             std::vector<DomainTrial>* trials) {
  const auto best = static_cast<std::size_t>(
      std::max_element(trials->begin(), trials->end(),
                       [](const auto& a, const auto& b) { return a.accuracy < b.accuracy; }) -
      trials->begin());
  const auto n = static_cast<double>(row_weights.size());
  for (std::size_t t = 0; t < trials->size(); ++t) {
    double sum = 0;
    double squares = 0;
    for (std::size_t i = 0; i < row_weights.size(); ++i) {
      const double difference = row_weights[i] * (int{right[best][i]} - int{right[t][i]});
      sum += difference;
      squares += difference * difference;
    }
    const double mean = sum / n;
    (*trials)[t].below_best = static_cast<float>(mean);
    (*trials)[t].standard_error =
        static_cast<float>(std::sqrt(std::max(0.0, squares / n - mean * mean) / n));
  }
}

/// Where queries are of another kind than rows, how strongly to train is decided on topics that were
/// left out whole: what a stronger training gains on single rows may be their style. Returns the
/// step, and adds what was tried to `report`.
Result<float> ChooseStep(const Prepared& rows, const std::vector<double>& priors,
                         const DomainDetectorOptions& options, std::vector<DomainTrial>* report) {
  EQUIPOISE_ASSIGN_OR_RETURN(
      const std::vector<std::uint32_t> fold,
      Folds(rows, options.source, options.seed + 1, domain::OnCpu(options.similarity)));
  Split split = SplitRows(rows, options.held_out_share, kChoosingRows, options.seed);
  Split by_topic;
  for (const auto* part : {&split.train, &split.held_out})
    for (const std::uint32_t i : *part)
      (fold[i] == 0 ? by_topic.held_out : by_topic.train).push_back(i);
  std::vector<DomainTrial> trials;
  for (const float step : kSteps) {
    if (options.method == DomainMethod::kLinear)
      trials.push_back({.method = DomainMethod::kLinear, .step = step, .topics = 1});
    else
      trials.push_back({.method = DomainMethod::kPrototypes,
                        .prototypes = kCounts[0],
                        .step = step,
                        .topics = 1});
  }
  // A domain without a row on either side says nothing about the step.
  if (by_topic.held_out.empty() || !EveryDomainIn(rows, by_topic.train)) return kSteps[0];
  double total = 0;
  for (const DomainTrial& trial : trials)
    total +=
        Stage::Cost(by_topic.train.size() * kChoosingPasses, trial.prototypes * rows.names.size());
  Stage stage(options.progress, "choosing", total);
  std::vector<std::vector<bool>> right(trials.size());
  for (std::size_t t = 0; t < trials.size(); ++t)
    EQUIPOISE_RETURN_IF_ERROR(Try(rows, priors, by_topic, options, &stage, &trials[t], &right[t]));
  Compare(right, HeldWeights(rows, by_topic.held_out, priors), &trials);
  DomainTrial& chosen = FirstNearBest(&trials);
  chosen.chosen = 1;
  report->insert(report->end(), trials.begin(), trials.end());
  return chosen.step;
}

/// Tries the candidates on held-out rows and marks one: the first, and so the simplest and most
/// gently trained, that is within one standard error of the best.
Status Choose(const Prepared& rows, const std::vector<double>& priors,
              const DomainDetectorOptions& options, std::vector<DomainTrial>* trials) {
  std::vector<DomainTrial> report;
  if (options.source == DomainSource::kCollections && options.method != DomainMethod::kCentroid) {
    EQUIPOISE_ASSIGN_OR_RETURN(const float step, ChooseStep(rows, priors, options, &report));
    std::erase_if(*trials, [&](const DomainTrial& t) { return t.step > 0 && t.step != step; });
  }
  const Split split = SplitRows(rows, options.held_out_share, kChoosingRows, options.seed);
  double total = 0;
  for (const DomainTrial& trial : *trials)
    total += Stage::Cost(split.train.size() * (trial.step > 0 ? kChoosingPasses : 1),
                         trial.prototypes * rows.names.size());
  Stage stage(options.progress, "choosing", total);
  std::vector<DomainTrial> tried;
  std::vector<std::vector<bool>> right;
  for (const DomainTrial& candidate : *trials) {
    // More prototypes only where more were better so far: each count costs four times the last.
    const std::size_t before = tried.size();
    if (candidate.prototypes > kCounts[1] && before >= 2 &&
        tried[before - 1].step == candidate.step && tried[before - 1].prototypes == kCounts[1] &&
        tried[before - 1].accuracy <= tried[before - 2].accuracy)
      continue;
    tried.push_back(candidate);
    EQUIPOISE_RETURN_IF_ERROR(
        Try(rows, priors, split, options, &stage, &tried.back(), &right.emplace_back()));
  }
  Compare(right, HeldWeights(rows, split.held_out, priors), &tried);
  FirstNearBest(&tried).chosen = 1;
  report.insert(report.end(), tried.begin(), tried.end());
  *trials = std::move(report);
  return {};
}

/// Calibrates on rows that the model was not fitted on, and says how often it was right about them.
Status Calibrate(const Prepared& rows, const std::vector<double>& priors,
                 const DomainDetectorOptions& options, const TrainOptions& train,
                 Calibration* calibration, double* accuracy) {
  const std::size_t domains = rows.names.size();
  const std::size_t folds = rows.labels.size() <= kCrossFittedRows ? kFolds : 1;
  Stage stage(options.progress, "calibrating",
              Stage::Cost(rows.labels.size() * folds * (train.step > 0 ? train.passes : 1) *
                              (kFolds - 1) / kFolds,
                          train.prototypes * domains));
  EQUIPOISE_ASSIGN_OR_RETURN(const std::vector<std::uint32_t> fold,
                             Folds(rows, options.source, options.seed + 1, train.similarity));
  std::vector<float> logits;
  std::vector<float> nearness;
  std::vector<std::uint32_t> held_all;
  for (std::size_t f = 0; f < folds; ++f) {
    Split split;
    for (std::size_t i = 0; i < fold.size(); ++i)
      (fold[i] == f ? split.held_out : split.train).push_back(static_cast<std::uint32_t>(i));
    if (split.held_out.empty()) continue;
    if (split.held_out.size() > kMostCalibrationRows) {
      Random(options.seed).Shuffle(std::span(split.held_out));
      split.held_out.resize(kMostCalibrationRows);
    }
    TrainOptions of_fold = train;
    of_fold.ticker = stage.Of(train.prototypes * domains);
    EQUIPOISE_ASSIGN_OR_RETURN(
        const Prototypes model,
        domain::Train(rows.data(), split.train, RowWeights(rows, split.train, priors), of_fold));
    const std::size_t at = held_all.size();
    held_all.insert(held_all.end(), split.held_out.begin(), split.held_out.end());
    logits.resize(held_all.size() * domains);
    nearness.resize(held_all.size());
    EQUIPOISE_RETURN_IF_ERROR(Score(model, rows, split.held_out, train.similarity,
                                    logits.data() + at * domains, nearness.data() + at));
  }

  const std::vector<double> weights = HeldWeights(rows, held_all, priors);
  std::vector<std::uint32_t> labels;
  labels.reserve(held_all.size());
  for (const std::uint32_t i : held_all) labels.push_back(rows.labels[i]);
  calibration->log_priors = domain::LogPriors(priors);
  calibration->sharpness = domain::FitSharpness(logits, labels, weights, calibration->log_priors);
  std::vector<CalibrationRow> held;
  double right = 0;
  double total = 0;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const domain::Ranked ranked =
        domain::Rank(*calibration, nearness[i], std::span(logits).subspan(i * domains, domains));
    held.push_back({.probability = ranked.uncorrected,
                    .nearness = double{nearness[i]},
                    .right = ranked.first == labels[i],
                    .weight = weights[i]});
    right += held.back().right ? weights[i] : 0;
    total += weights[i];
  }
  domain::FitCorrection(held, calibration);
  *accuracy = total > 0 ? right / total : 0;
  return {};
}

/// The 0.99 quantile of the rows' largest coordinates: what 8-bit codes of queries must hold.
float RowRange(const Prepared& rows) {
  std::vector<float> largest;
  const std::size_t n = rows.labels.size();
  const std::size_t step = std::max<std::size_t>(1, n / 10'000);
  for (std::size_t i = 0; i < n; i += step) {
    float most = 0;
    for (std::size_t x = 0; x < rows.dim; ++x)
      most = std::max(most, std::abs(rows.rows[i * rows.dim + x]));
    largest.push_back(most);
  }
  const auto at = largest.begin() + static_cast<std::ptrdiff_t>((largest.size() - 1) * 99 / 100);
  std::nth_element(largest.begin(), at, largest.end());
  return *at;
}

}  // namespace

namespace domain {

Status CheckLabelled(const char* function, const EmbeddingsView& rows,
                     std::span<const std::string_view> labels) {
  EQUIPOISE_CHECK_RANGE(function, rows.rows(), 1u, (std::size_t{1} << 31) - 1);
  EQUIPOISE_CHECK_RANGE(function, rows.cols(), 1u, kMaxDimensions);
  EQUIPOISE_CHECK_EQUAL(function, labels.size(), rows.rows());
  for (std::size_t i = 0; i < labels.size(); ++i)
    if (labels[i].empty())
      return Status(Code::kInvalidArgument,
                    fmt::format("{}: row {} has no label; label it or leave it out", function, i),
                    {.row = static_cast<std::int64_t>(i), .field = "labels"});
  return {};
}

}  // namespace domain

Result<DomainDetector> DomainDetector::Fit(const EmbeddingsView& rows,
                                           std::span<const std::string_view> labels,
                                           const DomainDetectorOptions& options) try {
  EQUIPOISE_RETURN_IF_ERROR(CheckOptions(options));
  EQUIPOISE_RETURN_IF_ERROR(domain::CheckLabelled("DomainDetector::Fit", rows, labels));
  EQUIPOISE_ASSIGN_OR_RETURN(const Prepared prepared, domain::Prepare(rows, labels, options));
  EQUIPOISE_ASSIGN_OR_RETURN(std::vector<double> priors, domain::Priors(prepared, options));

  std::vector<DomainTrial> trials = Candidates(options);
  if (trials.size() > 1)
    EQUIPOISE_RETURN_IF_ERROR(Choose(prepared, priors, options, &trials));
  else
    trials[0].chosen = 1;
  const DomainTrial chosen = *std::find_if(trials.begin(), trials.end(), [](const auto& trial) {
    return trial.chosen == 1 && trial.topics == 0;
  });

  TrainOptions train{.prototypes = chosen.prototypes,
                     .step = chosen.step,
                     .passes = kPasses,
                     .seed = options.seed,
                     .similarity = domain::OnCpu(options.similarity)};
  auto state = std::make_unique<State>();
  state->names = prepared.names;
  EQUIPOISE_RETURN_IF_ERROR(Calibrate(prepared, priors, options, train, &state->calibration,
                                      &state->info.held_out_accuracy));

  std::vector<std::uint32_t> all(prepared.labels.size());
  std::iota(all.begin(), all.end(), 0u);
  Stage stage(options.progress, "fitting",
              Stage::Cost(all.size() * (train.step > 0 ? train.passes : 1),
                          train.prototypes * prepared.names.size()));
  train.ticker = stage.Of(train.prototypes * prepared.names.size());
  EQUIPOISE_ASSIGN_OR_RETURN(
      state->prototypes,
      domain::Train(prepared.data(), all, RowWeights(prepared, all, priors), train));

  state->row_range = RowRange(prepared);
  state->similarity = options.similarity;
  DomainModelInfo& info = state->info;
  info.rows = prepared.labels.size();
  info.left_out = prepared.left_out;
  info.method = chosen.method;
  info.source = options.source;
  info.int8 = options.int8;
  info.threshold = options.threshold;
  info.priors = std::move(priors);
  info.trials = std::move(trials);
  return State::Make(std::move(state));
} catch (const std::bad_alloc&) {
  return Status(Code::kOutOfMemory, "not enough memory to fit the domain detector");
}

}  // namespace equipoise
