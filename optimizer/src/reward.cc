#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <new>
#include <unordered_set>
#include <utility>

#include <equipoise/core/check.h>
#include <equipoise/optimizer/reward.h>

namespace equipoise {
namespace {

constexpr double kMost = std::numeric_limits<double>::max();

using Ids = std::vector<std::uint64_t>;

Ids Distinct(std::span<const std::uint64_t> ids) {
  Ids out(ids.begin(), ids.end());
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

struct WeightedTerm {
  std::uint64_t term;
  double weight;
};

std::vector<WeightedTerm> DistinctTerms(const SupportText& text) {
  std::vector<WeightedTerm> out;
  for (std::size_t i = 0; i < text.terms.size(); ++i)
    out.push_back({text.terms[i], text.weights.empty() ? 1.0 : double{text.weights[i]}});
  std::stable_sort(out.begin(), out.end(),
                   [](const auto& a, const auto& b) { return a.term < b.term; });
  out.erase(std::unique(out.begin(), out.end(),
                        [](const auto& a, const auto& b) { return a.term == b.term; }),
            out.end());
  return out;
}

double Overlap(const std::vector<WeightedTerm>& sentence, const Ids& passage) {
  double all = 0, shared = 0;
  auto at = passage.begin();
  for (const WeightedTerm& term : sentence) {
    all += term.weight;
    while (at != passage.end() && *at < term.term) ++at;
    if (at != passage.end() && *at == term.term) shared += term.weight;
  }
  return all > 0 ? shared / all : 0;
}

// Rows of unit length; zero rows stay zero and are like nothing.
Eigen::MatrixXf UnitRows(const MatrixView<float>& view) {
  using Rows = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  Eigen::MatrixXf out = Eigen::Map<const Rows, Eigen::Unaligned, Eigen::OuterStride<>>(
      view.data, static_cast<Eigen::Index>(view.rows), static_cast<Eigen::Index>(view.cols),
      Eigen::OuterStride<>(static_cast<Eigen::Index>(view.stride)));
  for (Eigen::Index i = 0; i < out.rows(); ++i) {
    // Scaled first: squares of large numbers would overflow.
    const float largest = out.row(i).cwiseAbs().maxCoeff();
    if (!(largest > 0)) continue;
    out.row(i) /= largest;
    out.row(i).normalize();
  }
  return out;
}

Status CheckTexts(const char* what, std::span<const SupportText> texts, std::size_t* cols) {
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const SupportText& text = texts[i];
    const auto refuse = [&](const char* why) {
      return Status(Code::kInvalidArgument,
                    fmt::format("MeasureGroundedness: {}[{}]: {}", what, i, why),
                    {.row = static_cast<std::int64_t>(i), .field = what});
    };
    if (!text.weights.empty() && text.weights.size() != text.terms.size())
      return refuse("weights must be as many as terms");
    for (const float weight : text.weights)
      if (!(weight >= 0) || !std::isfinite(weight))
        return refuse("a weight is negative or no number");
    if (text.embeddings.empty()) continue;
    if (*cols == 0) *cols = text.embeddings.cols;
    if (text.embeddings.cols != *cols) return refuse("embeddings differ in dimension");
    for (std::size_t row = 0; row < text.embeddings.rows; ++row)
      for (const float value : text.embeddings.row_span(row))
        if (!std::isfinite(value)) return refuse("an embedding is not finite");
  }
  return {};
}

Status CheckScores(std::span<const double> positives, std::span<const double> negatives) {
  if (positives.empty() || negatives.empty())
    return Status(Code::kInvalidArgument, "CalibrateThreshold: needs scores of both kinds");
  const auto nan = [](double x) { return std::isnan(x); };
  if (std::any_of(positives.begin(), positives.end(), nan) ||
      std::any_of(negatives.begin(), negatives.end(), nan))
    return Status(Code::kInvalidArgument, "CalibrateThreshold: a score is NaN");
  return {};
}

}  // namespace

Result<RewardBreakdown> ComputeReward(const Reward& reward, const RewardOptions& options) {
  constexpr const char* kName = "ComputeReward";
  EQUIPOISE_CHECK_RANGE(kName, options.groundedness_weight, 0, kMost);
  EQUIPOISE_CHECK_RANGE(kName, options.recall_weight, 0, kMost);
  EQUIPOISE_CHECK_RANGE(kName, options.cost_weight, 0, kMost);
  EQUIPOISE_CHECK_RANGE(kName, options.cost_half, std::numeric_limits<double>::min(), kMost);
  if (!std::isnan(reward.groundedness)) EQUIPOISE_CHECK_RANGE(kName, reward.groundedness, 0, 1);
  if (!std::isnan(reward.recall)) EQUIPOISE_CHECK_RANGE(kName, reward.recall, 0, 1);
  if (!std::isnan(reward.cost)) EQUIPOISE_CHECK_RANGE(kName, reward.cost, 0, kMost);
  RewardBreakdown out;
  // Scaled by the largest, so that their sum stays finite.
  const double scale = std::max({options.groundedness_weight, options.recall_weight,
                                 options.cost_weight, std::numeric_limits<double>::min()});
  double sum = 0;
  const auto take = [&](double value, double score, double weight, double* to, double* share) {
    if (std::isnan(value)) return;
    *to = score;
    *share = weight / scale;
    sum += *share;
  };
  take(reward.groundedness, reward.groundedness, options.groundedness_weight,
       &out.groundedness_score, &out.groundedness_share);
  take(reward.recall, reward.recall, options.recall_weight, &out.recall_score, &out.recall_share);
  take(reward.cost, 1 / (1 + reward.cost / options.cost_half), options.cost_weight, &out.cost_score,
       &out.cost_share);
  if (!(sum > 0))
    return Status(Code::kInvalidArgument,
                  "ComputeReward: no part that has a weight above 0 is known", {.field = "reward"});
  for (double* share : {&out.groundedness_share, &out.recall_share, &out.cost_share}) *share /= sum;
  out.reward = std::clamp(out.groundedness_share * out.groundedness_score +
                              out.recall_share * out.recall_score + out.cost_share * out.cost_score,
                          0.0, 1.0);
  return out;
}

double RewardRecall(std::span<const std::uint64_t> found, std::span<const std::uint64_t> relevant) {
  try {
    const Ids have = Distinct(found), want = Distinct(relevant);
    if (want.empty()) return kRewardUnknown;
    const auto hits = std::count_if(want.begin(), want.end(), [&](std::uint64_t id) {
      return std::binary_search(have.begin(), have.end(), id);
    });
    return static_cast<double>(hits) / static_cast<double>(want.size());
  } catch (const std::bad_alloc&) {
    return kRewardUnknown;
  }
}

Result<Groundedness> MeasureGroundedness(std::span<const SupportText> sentences,
                                         std::span<const SupportText> passages,
                                         const GroundednessOptions& options) {
  const std::pair<const char*, double> thresholds[] = {
      {"options.term_threshold", options.term_threshold},
      {"options.similarity_threshold", options.similarity_threshold},
      {"options.scorer_threshold", options.scorer_threshold}};
  for (const auto& [name, threshold] : thresholds)
    if (std::isnan(threshold))
      return Status(Code::kInvalidArgument, fmt::format("MeasureGroundedness: {} is NaN", name),
                    {.field = name});
  std::size_t cols = 0;
  EQUIPOISE_RETURN_IF_ERROR(CheckTexts("sentences", sentences, &cols));
  EQUIPOISE_RETURN_IF_ERROR(CheckTexts("passages", passages, &cols));
  try {
    std::vector<Ids> terms;
    std::vector<Eigen::MatrixXf> embeddings;
    for (const SupportText& passage : passages) {
      terms.push_back(Distinct(passage.terms));
      embeddings.push_back(passage.embeddings.empty() ? Eigen::MatrixXf()
                                                      : UnitRows(passage.embeddings));
    }
    Groundedness out;
    std::size_t supported = 0;
    const auto raise = [](double* most, double value) {
      if (std::isnan(*most) || value > *most) *most = value;
    };
    for (std::size_t i = 0; i < sentences.size(); ++i) {
      SentenceSupport support;
      const auto words = DistinctTerms(sentences[i]);
      Eigen::MatrixXf own;
      if (!sentences[i].embeddings.empty()) own = UnitRows(sentences[i].embeddings);
      for (std::size_t p = 0; p < passages.size(); ++p) {
        const double overlap = Overlap(words, terms[p]);
        support.overlap = std::max(support.overlap, overlap);
        bool enough = overlap > 0 && overlap >= options.term_threshold;
        if (own.size() > 0 && embeddings[p].size() > 0) {
          const double cosine = (embeddings[p] * own.transpose()).maxCoeff();
          raise(&support.similarity, cosine);
          enough |= cosine >= options.similarity_threshold;
        }
        if (options.scorer) {
          const double score = options.scorer(i, p);
          raise(&support.score, score);
          enough |= score >= options.scorer_threshold;
        }
        if (enough && !std::exchange(support.supported, true)) support.passage = p;
      }
      supported += support.supported ? 1 : 0;
      out.sentences.push_back(support);
    }
    if (!sentences.empty())
      out.share = static_cast<double>(supported) / static_cast<double>(sentences.size());
    return out;
  } catch (const std::bad_alloc&) {
    return Status(Code::kOutOfMemory, "MeasureGroundedness: no memory for the texts");
  }
}

double AreaUnderCurve(std::span<const double> positives, std::span<const double> negatives) {
  try {
    if (!CheckScores(positives, negatives).ok()) return kRewardUnknown;
    std::vector<double> sorted(negatives.begin(), negatives.end());
    std::sort(sorted.begin(), sorted.end());
    double sum = 0;
    for (const double score : positives) {
      const auto [first, last] = std::equal_range(sorted.begin(), sorted.end(), score);
      sum += static_cast<double>(first - sorted.begin()) + 0.5 * static_cast<double>(last - first);
    }
    return sum / static_cast<double>(positives.size()) / static_cast<double>(sorted.size());
  } catch (const std::bad_alloc&) {
    return kRewardUnknown;
  }
}

Result<double> CalibrateThreshold(std::span<const double> positives,
                                  std::span<const double> negatives, double rate) {
  EQUIPOISE_CHECK_RANGE("CalibrateThreshold", rate, 0, 1);
  EQUIPOISE_RETURN_IF_ERROR(CheckScores(positives, negatives));
  try {
    std::vector<double> all(positives.begin(), positives.end()),
        low(negatives.begin(), negatives.end());
    all.insert(all.end(), negatives.begin(), negatives.end());
    std::sort(all.begin(), all.end());
    std::sort(low.begin(), low.end());
    for (const double threshold : all) {
      const auto reached = low.end() - std::lower_bound(low.begin(), low.end(), threshold);
      if (static_cast<double>(reached) <= rate * static_cast<double>(low.size())) return threshold;
    }
    return std::numeric_limits<double>::infinity();
  } catch (const std::bad_alloc&) {
    return Status(Code::kOutOfMemory, "CalibrateThreshold: no memory for the scores");
  }
}

}  // namespace equipoise
