#include "learn_report.h"

#include <algorithm>
#include <array>
#include <cmath>

#include <fmt/format.h>

namespace equipoise::cli {
namespace {

using simulation::AlphaOf;
using simulation::kGrid;

// Okabe & Ito's colours, which colour-blind readers can tell apart.
constexpr std::array<const char*, 6> kColours = {"#888888", "#E69F00", "#56B4E9",
                                                 "#D55E00", "#0072B2", "#009E73"};
constexpr const char* kTruth = "#D55E00";
constexpr const char* kBelief = "#0072B2";

/// A frame with axes; maps values to it.
class Plot {
 public:
  Plot(double width, double height, double x_high, double y_low, double y_high)
      : width_(width), height_(height), x_high_(x_high), y_low_(y_low), y_high_(y_high) {
    if (!(y_high_ > y_low_)) y_high_ = y_low_ + 1e-3;
  }

  double X(double x) const { return kLeft + x / x_high_ * (width_ - kLeft - kRight); }
  double Y(double y) const {
    return kTop + (y_high_ - y) / (y_high_ - y_low_) * (height_ - kTop - kBottom);
  }

  void Axes(const std::string& x_name, const std::string& y_name, int x_steps) {
    for (int i = 0; i <= 4; ++i) {
      const double y = y_low_ + (y_high_ - y_low_) * i / 4;
      body_ +=
          fmt::format(R"(<line class="grid" x1="{:.1f}" x2="{:.1f}" y1="{:.1f}" y2="{:.1f}"/>)",
                      X(0), X(x_high_), Y(y), Y(y));
      body_ +=
          fmt::format(R"(<text class="tick" x="{:.1f}" y="{:.1f}" text-anchor="end">{:.3f}</text>)",
                      X(0) - 6, Y(y) + 4, std::abs(y) < 5e-4 ? 0.0 : y);
    }
    for (int i = 0; i <= x_steps; ++i) {
      const double x = x_high_ * i / x_steps;
      body_ += fmt::format(
          R"(<text class="tick" x="{:.1f}" y="{:.1f}" text-anchor="middle">{:g}</text>)", X(x),
          height_ - kBottom + 16, x);
    }
    body_ +=
        fmt::format(R"(<text class="axis" x="{:.1f}" y="{:.1f}" text-anchor="middle">{}</text>)",
                    (X(0) + X(x_high_)) / 2, height_ - 6, x_name);
    body_ += fmt::format(R"(<text class="axis" x="{:.1f}" y="12">{}</text>)", 4.0, y_name);
  }
  template <typename At>
  void Line(std::size_t n, const At& at, const char* colour, double wide = 2, bool dashed = false) {
    std::string points;
    for (std::size_t i = 0; i < n; ++i) {
      const auto [x, y] = at(i);
      points += fmt::format("{:.1f},{:.1f} ", X(x), Y(std::clamp(y, y_low_, y_high_)));
    }
    body_ += fmt::format(R"(<polyline fill="none" stroke="{}" stroke-width="{}"{} points="{}"/>)",
                         colour, wide, dashed ? R"( stroke-dasharray="5 4")" : "", points);
  }
  template <typename Low, typename High>
  void Band(std::size_t n, const Low& low, const High& high, const char* colour) {
    std::string points;
    const auto add = [&](const std::pair<double, double>& p) {
      points += fmt::format("{:.1f},{:.1f} ", X(p.first), Y(std::clamp(p.second, y_low_, y_high_)));
    };
    for (std::size_t i = 0; i < n; ++i) add(high(i));
    for (std::size_t i = n; i > 0; --i) add(low(i - 1));
    body_ += fmt::format(R"(<polygon fill="{}" fill-opacity="0.2" points="{}"/>)", colour, points);
  }
  void Mark(double x, const char* colour) {
    body_ += fmt::format(
        R"(<line stroke="{}" stroke-dasharray="2 3" x1="{:.1f}" x2="{:.1f}" y1="{:.1f}" y2="{:.1f}"/>)",
        colour, X(x), X(x), Y(y_low_), Y(y_high_));
  }
  std::string Render(const std::string& title) const {
    return fmt::format(
        R"(<svg class="plot" viewBox="0 0 {:.0f} {:.0f}" role="img" aria-label="{}"><title>{}</title>{}</svg>)",
        width_, height_, title, title, body_);
  }

 private:
  static constexpr double kLeft = 58, kRight = 12, kTop = 22, kBottom = 38;
  double width_, height_, x_high_, y_low_, y_high_;
  std::string body_;
};

/// Of each curve the means of its first n values.
std::vector<double> MeansUpTo(const std::vector<double>& curve) {
  std::vector<double> out;
  double sum = 0;
  for (const double value : curve) {
    sum += value;
    out.push_back(sum / static_cast<double>(out.size() + 1));
  }
  return out;
}

/// A curve of each policy over the queries of a domain; `other`, dashed, is what they are held against.
std::string QueriesPlot(const LearningStudy& study, const std::string& title,
                        const std::string& y_name, bool from_zero,
                        const std::vector<double> PolicyStudy::*curve,
                        const std::vector<double>& other, const std::string& other_name) {
  double least = 1, most = 0;
  std::size_t longest = 1;
  std::vector<std::vector<double>> means;
  const auto add = [&](std::vector<double> mean) {
    longest = std::max(longest, mean.size());
    for (std::size_t i = std::min<std::size_t>(2, mean.size()); i < mean.size(); ++i)
      least = std::min(least, mean[i]), most = std::max(most, mean[i]);
    means.push_back(std::move(mean));
  };
  for (const PolicyStudy& policy : study.policies) add(MeansUpTo(policy.*curve));
  add(other);
  const double margin = from_zero ? 0.05 * most : 0.05 * std::max(0.0, most - least);
  Plot plot(900, 380, static_cast<double>(longest), from_zero ? 0 : least - margin,
            std::max(most, 0.001) + margin);
  plot.Axes("queries of a domain so far", y_name + ", mean up to there", 5);
  std::string legend;
  for (std::size_t p = 0; p < means.size(); ++p) {
    const bool last = p + 1 == means.size();
    const char* colour = last ? "#555555" : kColours[p % kColours.size()];
    plot.Line(
        means[p].size(),
        [&](std::size_t i) { return std::pair(static_cast<double>(i + 1), means[p][i]); }, colour,
        last ? 1 : 2.5, last);
    if (!last)
      legend += fmt::format(R"(<span class="key"><i style="background:{}"></i>{}</span>)", colour,
                            Escaped(study.policies[p].name));
  }
  legend += fmt::format(R"(<span class="key"><i class="dash"></i>{}</span>)", other_name);
  return fmt::format("<div class=\"legend\">{}</div><div class=\"wide\">{}</div>", legend,
                     plot.Render(title));
}

std::string RegretPlot(const LearningStudy& study) {
  const std::size_t longest = study.policies.empty() ? 1 : study.policies[0].regret.size();
  return QueriesPlot(study, "Regret of each policy", "regret a query", true, &PolicyStudy::regret,
                     std::vector<double>(longest, study.floor), "knows all other queries") +
         "<p>Domains with fewer queries end earlier: towards the right the means are over those "
         "that are left.</p>";
}

std::string RecallPlot(const LearningStudy& study) {
  return QueriesPlot(study, "Recall@10 of each policy", "Recall@10", false,
                     &PolicyStudy::recall_by_query, MeansUpTo(study.path_recall_by_query),
                     study.lexical_better ? "BM25 alone" : "vectors alone");
}

std::string DomainPlot(const DomainStudy& domain) {
  const DomainPosterior& known = *domain.posterior;
  double level = 0;
  for (const double value : domain.reward) level += value / kGrid;
  constexpr double kNinety = 1.645;
  double low = 0, high = 0;
  for (std::size_t i = 0; i < kGrid; ++i) {
    low = std::min({low, domain.reward[i] - level, known.mean[i] - kNinety * known.deviation[i]});
    high = std::max({high, domain.reward[i] - level, known.mean[i] + kNinety * known.deviation[i]});
  }
  Plot plot(440, 260, 1, low - 0.005, high + 0.005);
  plot.Axes("α", "reward, less its mean over α", 5);
  plot.Band(
      kGrid,
      [&](std::size_t i) {
        return std::pair(AlphaOf(i), known.mean[i] - kNinety * known.deviation[i]);
      },
      [&](std::size_t i) {
        return std::pair(AlphaOf(i), known.mean[i] + kNinety * known.deviation[i]);
      },
      kBelief);
  plot.Line(
      kGrid, [&](std::size_t i) { return std::pair(AlphaOf(i), known.mean[i]); }, kBelief);
  plot.Line(
      kGrid, [&](std::size_t i) { return std::pair(AlphaOf(i), domain.reward[i] - level); },
      kTruth);
  plot.Mark(AlphaOf(domain.best), kTruth);
  plot.Mark(known.best_alpha, kBelief);
  const std::string name = Escaped(domain.name);
  return fmt::format(
      "<figure>{}<figcaption><b>{}</b>: {} queries; best α {:g}, believed {:g}; with 90 % "
      "probability it loses "
      "at "
      "most {:.4f} a query; smallest effect that shows {:.3f}</figcaption></figure>",
      plot.Render(name), name, domain.queries, AlphaOf(domain.best), known.best_alpha,
      known.regret_bound, known.smallest_effect);
}

constexpr const char* kStyle = R"(
.wide .plot{min-width:560px}.plot{width:100%;height:auto;display:block}
.grid{stroke:#e4e4e4}.tick{font:11px sans-serif;fill:#555}.axis{font:12px sans-serif;fill:#333}
.key i.dash{background:none;border-top:2px dashed #555;height:0}
.domains{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(320px,100%),1fr));gap:18px}
figure{margin:0}figcaption{font-size:13px;color:#444}
)";

}  // namespace

PagePart LearnPart(const LearningStudy& study, const StudyOptions& options) {
  std::string rows;
  for (const PolicyStudy& policy : study.policies) {
    const auto& e = policy.earned;
    rows += fmt::format(
        "<tr><th scope=\"row\">{}</th><td>{:.4f}</td><td>{:.4f} – {:.4f}</td><td>{:.4f}</td>"
        "<td>{:.4f} – {:.4f}</td><td>{:.0f} %</td></tr>",
        Escaped(policy.name), e.reward, e.reward_interval.low, e.reward_interval.high, e.regret,
        e.low, e.high, 100 * e.above_best_single);
  }
  std::string domains;
  for (const DomainStudy& domain : study.domains)
    if (domain.posterior) domains += DomainPlot(domain);
  if (!domains.empty())
    domains = fmt::format(
        "<h2>What the policy knows of each domain</h2><div class=\"legend\"><span class=\"key\"><i "
        "style=\"background:{}\"></i>posterior mean and 90 % band after one pass</span><span "
        "class=\"key\"><i style=\"background:{}\"></i>mean of all judgments</span></div><div "
        "class=\"domains\">{}</div>",
        kBelief, kTruth, domains);
  for (const DomainStudy& domain : study.domains)
    if (domain.posterior)
      for (const CurveChange& change : domain.posterior->latest_changes)
        domains += fmt::format(
            "<p>{} changed with its query {}; noticed with query {}, at time {}, evidence "
            "{:.0f}.</p>",
            Escaped(domain.name), change.began, change.noticed, change.time, change.evidence);
  return {
      .body = fmt::format(
          "<p>{} queries of {} domains, {} orders, up to {} queries of each domain; feedback "
          "on {}; reward nDCG@10, fusion {}. Intervals: 95 %, bootstrap over queries.</p>"
          "<h2>Policies</h2><div class=\"wide\"><table><tr><th>policy</th><th>reward</th>"
          "<th>95 %</th><th>regret</th><th>95 %</th><th>orders above best single α</th></tr>"
          "{}</table></div><p>Best single α in hindsight: {:g}. A learner that knows all other "
          "queries of a domain has a regret of {:.4f}.</p><h2>Regret</h2>{}<h2>Recall@10</h2>{}{}",
          study.queries, study.domains.size(), options.orders, options.horizon,
          options.feedback.shown_only ? "what was shown" : "all candidates",
          FusionName(study.fusion), rows, AlphaOf(study.best_single), study.floor,
          RegretPlot(study), RecallPlot(study), domains),
      .style = kStyle};
}

std::string LearnReport(const LearningStudy& study, const StudyOptions& options) {
  return Page("Learning α", {LearnPart(study, options)});
}

}  // namespace equipoise::cli
