#include "learner.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>

#include <unistd.h>

#include <equipoise/core/check.h>
#include <equipoise/core/checked_file.h>
#include <equipoise/core/random.h>

namespace equipoise {
namespace {

constexpr double kNever = std::numeric_limits<double>::infinity();

// Ids of queries, not decisions: what differs from engine to engine, so that feedback that names a
// query of another one is not taken for ours. 52 bits, which JSON keeps.
std::uint64_t FirstId(const void* engine) {
  std::uint64_t state =
      static_cast<std::uint64_t>(std::chrono::system_clock::now().time_since_epoch().count());
  state ^= static_cast<std::uint64_t>(::getpid()) << 40;
  state ^= reinterpret_cast<std::uintptr_t>(engine);
  return (SplitMix64(state) >> 13) | 1;  // 51 bits and room to count
}

double Clock() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

FeedbackOptions WithoutDecay(FeedbackOptions options) {
  options.half_life = kNever;
  options.domain_half_lives.clear();
  options.keep_items = true;
  options.by_item = false;
  options.by_source = false;
  options.threads = 1;
  return options;
}

Status Refuse(const char* field, std::string why) {
  return Status(Code::kInvalidArgument, "Feedback: " + std::move(why), {.field = field});
}

Status OtherIndex() {
  return Refuse("context",
                "the context is of another index, or of this one before it was built again");
}

// Of documents of one query apart from those of others.
std::uint64_t ItemOf(std::uint64_t query_id, std::uint32_t doc) {
  std::uint64_t state = query_id;
  return SplitMix64(state) + doc;
}

}  // namespace

std::uint64_t SourceNumber(std::string_view source) {
  return Checksum(std::as_bytes(std::span(source.data(), source.size())));
}

Learner::Learner(std::shared_ptr<WeightPolicy> policy, const LearningOptions& options,
                 const Collection& collection)
    : policy_(std::move(policy)),
      options_(options),
      filter_(WithoutDecay(options.filter)),
      method_(options.fusion.value_or(collection.weights().method)),
      fingerprint_(collection.fingerprint()),
      base_(FirstId(this)),
      slots_(options.remembered) {}

Result<std::unique_ptr<Learner>> Learner::Make(std::shared_ptr<WeightPolicy> policy,
                                               const LearningOptions& options,
                                               const Collection& collection) {
  constexpr const char* kWhere = "UsePolicy";
  EQUIPOISE_CHECK_RANGE(kWhere, options.remembered, std::size_t{1}, std::size_t{1} << 24);
  EQUIPOISE_CHECK_RANGE(kWhere, options.window, std::size_t{1}, std::size_t{65'536});
  EQUIPOISE_CHECK_RANGE(kWhere, options.filter.half_life, std::numeric_limits<double>::min(),
                        kNever);
  constexpr double kMost = std::numeric_limits<double>::max();
  if (options.fixed_alpha) EQUIPOISE_CHECK_RANGE(kWhere, *options.fixed_alpha, 0.0, 1.0);
  if (options.lexical_price) EQUIPOISE_CHECK_RANGE(kWhere, *options.lexical_price, 0.0, kMost);
  if (options.vector_price) EQUIPOISE_CHECK_RANGE(kWhere, *options.vector_price, 0.0, kMost);
  // What the other options may be is said by those who use them; an empty query is enough to ask.
  EQUIPOISE_RETURN_IF_ERROR(ComputeRewardCurve({}, options.curve).error());
  EQUIPOISE_RETURN_IF_ERROR(
      ComputeReward({.groundedness = 1, .recall = 1, .cost = 0}, options.reward).error());
  std::unique_ptr<Learner> out(new Learner(std::move(policy), options, collection));
  EQUIPOISE_RETURN_IF_ERROR(out->filter_.Apply({}, 0).error());
  const auto* contextual = dynamic_cast<const ContextualPolicy*>(out->policy_.get());
  if (contextual != nullptr)
    EQUIPOISE_CHECK_EQUAL(kWhere, contextual->options().features, QueryFeatures::kCount);
  const auto* curve = contextual != nullptr ? &contextual->curve()
                                            : dynamic_cast<const CurvePolicy*>(out->policy_.get());
  if (curve != nullptr) {
    EQUIPOISE_RETURN_IF_ERROR(
        CheckNormalization(curve->options().priors, FusionName(out->method_)));
    EQUIPOISE_CHECK_EQUAL(kWhere, options.curve.grid, curve->options().grid);
  }
  return out;
}

// Searching

Result<bool> Learner::Decide(const SearchRequest& request, const Collection& collection,
                             bool decides, const QueryDomain& domain, SearchContext* context,
                             SearchRequest* asked, DecideByFeatures* late) {
  const std::uint64_t number = next_.fetch_add(1, std::memory_order_relaxed);
  context->query_id = base_ + number;
  asked->keep_candidates = true;
  const bool both = !request.text.empty() && collection.has_text() && !request.embedding.empty() &&
                    collection.dimensions() > 0;
  if (!decides || !both || request.alpha || request.decide != nullptr ||
      request.fusion.value_or(method_) != method_)
    return false;
  asked->fusion = method_;
  if (options_.fixed_alpha) {
    asked->alpha = options_.fixed_alpha;
    return true;
  }
  WeightDecision& decision = context->decision;
  const std::uint64_t random = Random::Stream(options_.seed, number).Next();
  if (policy_->UsesFeatures()) {
    *late = [this, context, &domain, random](const QueryFeatures& found) {
      QueryFeatures features = found;
      features.domain_probability = std::clamp(domain.probability, 0.0f, 1.0f);
      features.domain_margin = std::clamp(domain.margin, 0.0f, 1.0f);
      const auto values = features.Values();
      context->features.assign(values.begin(), values.end());
      WeightDecision& decided = context->decision;
      decided = policy_->Decide({.domain = context->domain, .features = context->features}, random);
      // Both have been asked.
      decided.both_paths = true;
      decided.propensity = decided.alpha_propensity;
      return decided.alpha;
    };
    asked->decide = late;
    return true;
  }
  decision = policy_->Decide({.domain = context->domain, .features = request.embedding}, random);
  EQUIPOISE_RETURN_IF_ERROR(CheckDecision(decision));
  if (request.both_paths) {
    // Which paths is the caller's decision then, not the policy's.
    decision.both_paths = true;
    decision.propensity = decision.alpha_propensity;
  }
  asked->alpha = decision.alpha;
  asked->both_paths = decision.both_paths;
  return true;
}

Status Learner::CheckDecision(const WeightDecision& decision) {
  // A policy may be the caller's own.
  if (!(decision.alpha >= 0 && decision.alpha <= 1 && decision.propensity > 0 &&
        decision.propensity <= decision.alpha_propensity && decision.alpha_propensity <= 1))
    return Status(
        Code::kInvalidArgument,
        fmt::format(
            "Search: the policy decided alpha = {}, propensity = {}, alpha_propensity = {}; "
            "0 <= alpha <= 1 and 0 < propensity <= alpha_propensity <= 1 must hold",
            decision.alpha, decision.propensity, decision.alpha_propensity),
        {.field = "policy"});
  return {};
}

void Learner::Remember(const SearchRequest& request, bool decided, SearchContext context,
                       SearchResult* found) {
  // What a deadline has cut short is not what the policy decided.
  const bool whole = !found->partial;
  const bool by_policy = decided && whole && !options_.fixed_alpha;
  if (!by_policy) context.features.clear();
  if (by_policy)
    found->alpha_source =
        context.decision.version == 0 ? AlphaSource::kPrior : AlphaSource::kPolicy;
  else if (decided && found->alpha_source == AlphaSource::kRequest)
    found->alpha_source = AlphaSource::kConfigured;
  if (!by_policy)
    context.decision = {.alpha = found->weights.alpha,
                        .both_paths = found->lexical_searched && found->vector_searched,
                        .by_policy = false};
  found->propensity = context.decision.propensity;
  found->policy_version = context.decision.version;
  found->query_id = context.query_id;

  auto record = std::make_shared<Record>();
  SearchContext& kept = record->context = std::move(context);
  kept.fingerprint = fingerprint_;
  kept.time = Clock();
  kept.method = found->weights.method;
  kept.lexical_us =
      static_cast<float>(found->times.analysis_ns + found->times.lexical_ns) / 1000.0f;
  kept.vector_us = static_cast<float>(found->times.vector_ns) / 1000.0f;
  if (request.keep_candidates) {
    kept.candidates = found->candidates;
  } else {
    kept.candidates = std::move(found->candidates);
    found->candidates.clear();
  }
  kept.shown.reserve(found->hits.size());
  for (const Hit& hit : found->hits) kept.shown.push_back(hit.doc);
  found->context = std::shared_ptr<const SearchContext>(record, &record->context);
  Keep(std::move(record));
}

void Learner::Keep(std::shared_ptr<Record> record) {
  const std::uint64_t id = record->context.query_id;
  const std::size_t at = (id - base_) % slots_.size();
  Slot& slot = slots_[at];
  const std::lock_guard lock(MutexOf(at));
  // A search that took longer than a whole round of the ring is the older one.
  if (slot.record != nullptr && slot.id > id) return;
  slot.id = id;
  slot.record.swap(record);
}  // the record that was there goes after the lock

// Finding the query that is meant

std::shared_ptr<Learner::Record> Learner::Remembered(std::uint64_t id) const {
  const std::size_t at = (id - base_) % slots_.size();
  const std::lock_guard lock(MutexOf(at));
  return slots_[at].id == id ? slots_[at].record : nullptr;
}

/// The caller holds the mutex of feedback.
std::shared_ptr<Learner::Record> Learner::Known(std::uint64_t id) const {
  if (auto own = Remembered(id)) return own;
  const auto found = adopted_.find(id);
  return found == adopted_.end() ? nullptr : found->second;
}

void Learner::Adopt(std::shared_ptr<Record> record) {
  const std::uint64_t id = record->context.query_id;
  adopted_.emplace(id, std::move(record));
  adopted_order_.push_back(id);
  if (adopted_order_.size() <= 2 * options_.remembered) return;
  adopted_.erase(adopted_order_.front());
  adopted_order_.pop_front();
}

/// The caller holds the mutex of feedback.
Result<std::shared_ptr<Learner::Record>> Learner::Find(const QueryFeedback& feedback, double now) {
  if ((feedback.query_id != 0) == !feedback.context.empty())
    return Refuse("query_id", "give the query's id or its context, one of them");
  std::uint64_t id = feedback.query_id;
  SearchContext context;
  if (!feedback.context.empty()) {
    EQUIPOISE_ASSIGN_OR_RETURN(context, SearchContext::Parse(feedback.context));
    if (context.fingerprint != fingerprint_) return OtherIndex();
    EQUIPOISE_RETURN_IF_ERROR(CheckAge(context, now));
    id = context.query_id;
  }
  if (auto known = Known(id)) {
    if (!feedback.context.empty() && known->context.Serialize() != feedback.context)
      return Refuse("context", fmt::format("query {} is known with another context", id));
    EQUIPOISE_RETURN_IF_ERROR(CheckAge(known->context, now));
    return known;
  }
  if (log_ != nullptr) {
    auto logged = FromLog(id, log_->last() + 1);
    if (!logged && logged.error().code() != Code::kNotFound) return logged.error();
    if (logged) {
      const SearchContext& of = (*logged)->context;
      if (of.fingerprint != fingerprint_) return OtherIndex();
      if (!feedback.context.empty() && of.Serialize() != feedback.context)
        return Refuse("context", fmt::format("query {} is known with another context", id));
      EQUIPOISE_RETURN_IF_ERROR(CheckAge(of, now));
      return logged;
    }
  }
  if (feedback.context.empty())
    return Status(
        Code::kNotFound,
        fmt::format("Feedback: no query {} is remembered: it was never asked here, or more "
                    "than {} were asked since. Keep SearchResult::context and hand that "
                    "back, or remember more",
                    id, options_.remembered),
        {.field = "query_id"});
  auto record = std::make_shared<Record>();
  record->context = std::move(context);
  return record;
}

// Learning

double Learner::Decay(double age) const {
  return std::exp2(-std::max(0.0, age) / options_.filter.half_life);
}

Status Learner::Check(const QueryFeedback& f, double now, double time) const {
  if (!f.rating && !f.groundedness)
    return Refuse("rating", "there is neither a rating nor a groundedness");
  if (f.rating && f.hit.has_value() == !f.document.empty())
    return Refuse("hit", "a rating is of a hit or of a document, one of them");
  if (!f.rating && (f.hit || !f.document.empty()))
    return Refuse("rating", "a document is named, but there is no rating");
  const auto check = [](const char* name, const std::optional<double>& value, double low,
                        double high) -> Status {
    if (!value || (*value >= low && *value <= high)) return {};
    return Refuse(name, fmt::format("{} = {} is outside [{}, {}]", name, *value, low, high));
  };
  constexpr double kMost = std::numeric_limits<float>::max();
  EQUIPOISE_RETURN_IF_ERROR(
      check("rating", f.rating, options_.filter.rating_low, options_.filter.rating_high));
  EQUIPOISE_RETURN_IF_ERROR(check("groundedness", f.groundedness, 0, 1));
  EQUIPOISE_RETURN_IF_ERROR(check("confidence", f.confidence, 0, 1));
  EQUIPOISE_RETURN_IF_ERROR(check("dwell", f.dwell, 0, kMost));
  if (!std::isfinite(time) || !std::isfinite(now))
    return Refuse("time", fmt::format("time = {}, now = {}: not a finite number", time, now));
  if (time > now + options_.filter.max_skew)
    return Refuse("time", fmt::format("time = {} is more than {} s after now = {}; milliseconds?",
                                      time, options_.filter.max_skew, now));
  return {};
}

Learner::WindowRow Learner::RowOf(const FeedbackEntry& feedback, const SearchContext& context) {
  const std::vector<std::uint32_t>& shown = context.shown;
  const auto place = std::find(shown.begin(), shown.end(), *feedback.doc) - shown.begin();
  return {.time = feedback.time,
          .source = feedback.source,
          .item = ItemOf(context.query_id, *feedback.doc),
          .rating = static_cast<float>(*feedback.rating),
          .confidence = static_cast<float>(feedback.confidence.value_or(1)),
          .dwell = static_cast<float>(feedback.dwell.value_or(0)),
          .position = static_cast<std::uint32_t>(place)};
}

/// Runs the rating through the filter, among the latest of its domain, and sets its weight.
Result<FeedbackVerdict> Learner::Filter(const std::string& domain, const WindowRow& row,
                                        FeedbackEntry* feedback) {
  std::vector<WindowRow> rows;
  rows.reserve(options_.window);
  if (const auto known = windows_.find(domain); known != windows_.end()) {
    const auto latest = Latest(known->second, options_.window - 1);
    rows.assign(latest.begin(), latest.end());
  }
  rows.push_back(row);
  const double now = std::max(feedback->now, feedback->time);
  const double latest = now + options_.filter.max_skew;
  // Where the clock has gone back, ratings of before are compared with as if they had just come: they keep
  // their distances, and the last of them gets the time of the one after it.
  std::size_t before = rows.size() - 1;
  while (before > 0 && rows[before - 1].time <= latest) --before;
  const double ahead = before > 0 ? rows[before - 1].time - rows[before].time : 0;
  for (std::size_t i = 0; i < before; ++i)
    if (rows[i].time > latest) rows[i].time = std::min(rows[i].time - ahead, now);
  constexpr auto kStride = static_cast<std::int64_t>(sizeof(WindowRow));
  const auto column = [&]<typename T>(const T WindowRow::*member) {
    static_assert(kStride % sizeof(T) == 0);
    return FeedbackColumn<T>(&(rows.front().*member), rows.size(),
                             kStride / static_cast<std::int64_t>(sizeof(T)));
  };
  FeedbackBatch batch{.rating = column(&WindowRow::rating),
                      .time = column(&WindowRow::time),
                      .source = column(&WindowRow::source),
                      .item = column(&WindowRow::item),
                      .domain = {},
                      .event = {},
                      .confidence = column(&WindowRow::confidence),
                      .position = column(&WindowRow::position),
                      .dwell = column(&WindowRow::dwell)};
  EQUIPOISE_RETURN_IF_ERROR(filter_.Apply(batch, now, &filtered_));
  feedback->weight = double{filtered_.weight.back()} * Decay(feedback->now - feedback->time);
  return filtered_.verdict.back();
}

void Learner::Admit(const std::string& domain, const WindowRow& row) {
  const auto [at, fresh] = windows_.try_emplace(domain);
  std::vector<WindowRow>& rows = at->second;
  rows.push_back(row);
  if (rows.size() >= 2 * options_.window)
    rows.erase(rows.begin(), rows.end() - static_cast<std::ptrdiff_t>(options_.window));
  if (!fresh) return;
  window_order_.push_back(domain);
  if (window_order_.size() <= options_.remembered) return;
  windows_.erase(window_order_.front());
  window_order_.pop_front();
}

/// The reward of every α that the ratings tell, and how much that counts.
Result<std::vector<double>> Learner::CurveOf(const Record& record,
                                             const std::vector<Rating>& ratings,
                                             double groundedness, double* weight) const {
  // Of each document the weighted mean of its ratings. The best weight of all is the query's, and the
  // documents count relative to it: old or doubtful feedback counts less, and says the same.
  struct Rated {
    double sum = 0, weight = 0, most = 0;
    double plain = 0, count = 0;
  };
  std::unordered_map<std::uint32_t, Rated> rated;
  double most = 0;
  for (const Rating& r : ratings) {
    const double w = r.weight;
    Rated& of = rated[r.doc];
    of.sum += w * double{r.gain};
    of.weight += w;
    of.most = std::max(of.most, w);
    of.plain += double{r.gain};
    of.count += 1;
    most = std::max(most, w);
  }
  const SearchContext& context = record.context;
  // In the order of documents, as equal scores are ranked.
  std::vector<std::uint64_t> order(context.candidates.size());
  for (std::size_t i = 0; i < order.size(); ++i)
    order[i] = std::uint64_t{context.candidates[i].doc} << 32 | i;
  std::sort(order.begin(), order.end());
  std::vector<RewardCandidate> candidates;
  candidates.reserve(order.size());
  for (const std::uint64_t place : order) {
    const CandidateScores& s = context.candidates[place & 0xffffffff];
    candidates.push_back({.lexical = s.lexical,
                          .vector = s.vector,
                          .gain = std::numeric_limits<float>::quiet_NaN(),
                          .confidence = 1});
  }
  for (const auto& [doc, r] : rated) {
    const auto at = std::lower_bound(order.begin(), order.end(), std::uint64_t{doc} << 32);
    if (at == order.end() || *at >> 32 != doc) continue;
    RewardCandidate& c = candidates[static_cast<std::size_t>(at - order.begin())];
    c.gain = static_cast<float>(r.weight > 0 ? r.sum / r.weight : r.plain / r.count);
    if (most > 0) c.confidence = static_cast<float>(r.most / most);
  }
  RewardCurveOptions options = options_.curve;
  options.ideal = 0;
  EQUIPOISE_ASSIGN_OR_RETURN(RewardCurve curve, ComputeRewardCurve(candidates, options));
  *weight = curve.empty ? 0 : std::min(1.0, most);

  const bool costs = options_.reward.cost_weight > 0;
  if (!costs && std::isnan(groundedness)) return std::move(curve.values);
  constexpr double kSeconds = 1e-6;
  const double lexical = options_.lexical_price.value_or(double{context.lexical_us} * kSeconds);
  const double vector = options_.vector_price.value_or(double{context.vector_us} * kSeconds);
  for (std::size_t i = 0; i < curve.values.size(); ++i) {
    double& value = curve.values[i];
    if (std::isnan(value)) continue;
    Reward parts{.groundedness = groundedness, .recall = value};
    if (costs) parts.cost = (i > 0 ? lexical : 0) + (i + 1 < curve.values.size() ? vector : 0);
    EQUIPOISE_ASSIGN_OR_RETURN(const RewardBreakdown whole, ComputeReward(parts, options_.reward));
    value = whole.reward;
  }
  return std::move(curve.values);
}

/// The document that is rated, if one is.
Result<std::optional<std::uint32_t>> Learner::DocumentOf(const QueryFeedback& feedback,
                                                         const SearchContext& context,
                                                         const Collection& collection) {
  if (!feedback.rating) return std::optional<std::uint32_t>();
  if (feedback.hit) {
    if (*feedback.hit >= context.shown.size())
      return Status(Code::kNotFound,
                    fmt::format("Feedback: hit {} does not exist; the query has {}, counted from 0",
                                *feedback.hit, context.shown.size()),
                    {.field = "hit"});
    return std::optional(context.shown[*feedback.hit]);
  }
  const auto known = collection.Find(feedback.document);
  const auto& found = context.candidates;
  if (!known || std::none_of(found.begin(), found.end(),
                             [&](const CandidateScores& c) { return c.doc == *known; }))
    return Status(
        Code::kNotFound,
        fmt::format("Feedback: the query has not found a document \"{}\"", feedback.document),
        {.field = "document"});
  return known;
}

/// When the source last rated the document, or anyone said how grounded the answer was.
std::optional<double> Learner::LastTime(const Record& record, const FeedbackEntry& feedback) {
  if (!feedback.doc)
    return std::isnan(record.groundedness) ? std::optional<double>() : record.groundedness_time;
  for (const Rating& r : record.ratings)
    if (r.doc == *feedback.doc && r.source == feedback.source) return r.time;
  return {};
}

/// Puts the rating in its place. False where the source has rated the document later.
bool Learner::Enter(const FeedbackEntry& feedback, std::vector<Rating>* ratings) const {
  const auto earlier = std::find_if(ratings->begin(), ratings->end(), [&](const Rating& r) {
    return r.doc == *feedback.doc && r.source == feedback.source;
  });
  if (earlier != ratings->end() && earlier->time > feedback.time) return false;
  const double low = double{options_.filter.rating_low};
  const double scale = double{options_.filter.rating_high} - low;
  const Rating rating{.time = std::min(feedback.time, feedback.now),
                      .weight = feedback.weight,
                      .source = feedback.source,
                      .gain = static_cast<float>((*feedback.rating - low) / scale),
                      .doc = *feedback.doc};
  if (earlier == ratings->end())
    ratings->push_back(rating);
  else
    *earlier = rating;
  return true;
}

Result<FeedbackOutcome> Learner::Learn(const QueryFeedback& feedback, const Collection& collection,
                                       bool filter) {
  const double now = feedback.now ? *feedback.now : Clock();
  const double time = feedback.time.value_or(now);
  EQUIPOISE_RETURN_IF_ERROR(Check(feedback, now, time));

  const std::lock_guard lock(feedback_mutex_);
  EQUIPOISE_RETURN_IF_ERROR(CheckLog());
  EQUIPOISE_ASSIGN_OR_RETURN(const std::shared_ptr<Record> record, Find(feedback, now));
  EQUIPOISE_ASSIGN_OR_RETURN(const auto doc, DocumentOf(feedback, record->context, collection));
  FeedbackEntry settled{.query_id = record->context.query_id,
                        .doc = doc,
                        .rating = feedback.rating,
                        .groundedness = feedback.groundedness,
                        .confidence = feedback.confidence,
                        .dwell = feedback.dwell,
                        .time = time,
                        .now = now,
                        .source = SourceNumber(feedback.source)};
  // Who corrects himself says so later, whatever the clock says.
  if (!feedback.time) settled.time = std::max(time, LastTime(*record, settled).value_or(time));
  return Take(record, &settled, filter ? Weighing::kFilter : Weighing::kPlain);
}

/// Learns from feedback that is settled, and logs it before, unless it comes from the log.
Result<FeedbackOutcome> Learner::Take(const std::shared_ptr<Record>& record,
                                      FeedbackEntry* feedback, Weighing weighing) {
  const SearchContext& context = record->context;
  std::vector<Rating> ratings = record->ratings;
  double groundedness = record->groundedness;
  double groundedness_time = record->groundedness_time;
  FeedbackOutcome out{.weight = record->weight};
  WindowRow row;
  bool rated = false;
  if (feedback->rating) {
    row = RowOf(*feedback, context);
    const std::optional<double> last = LastTime(*record, *feedback);
    if (weighing == Weighing::kPlain)
      feedback->weight = feedback->confidence.value_or(1) * Decay(feedback->now - feedback->time);
    if (weighing == Weighing::kFilter && !(last && *last > feedback->time)) {
      EQUIPOISE_ASSIGN_OR_RETURN(out.verdict, Filter(context.domain, row, feedback));
    }
    rated = Enter(*feedback, &ratings);
  }
  // Each by its own time: one that is superseded does not take the other with it.
  const bool grounded =
      feedback->groundedness && (std::isnan(groundedness) || groundedness_time <= feedback->time);
  if (grounded) {
    groundedness = *feedback->groundedness;
    groundedness_time = feedback->time;
  }
  if (feedback->rating ? !rated : !grounded) out.verdict = FeedbackVerdict::kDuplicate;
  double weight = 0;
  std::vector<double> curve;
  if (rated || grounded) {
    EQUIPOISE_ASSIGN_OR_RETURN(curve, CurveOf(*record, ratings, groundedness, &weight));
  }
  if (log_ != nullptr && weighing != Weighing::kLogged)
    EQUIPOISE_RETURN_IF_ERROR(log_->Append(context, feedback));
  if (!rated && !grounded) return out;
  // An α of another normalization means something else.
  if (context.method == method_ && !options_.frozen) {
    WeightFeedback update{.query = {.domain = context.domain, .features = context.features},
                          .decision = context.decision,
                          .curve = curve,
                          .weight = weight,
                          .time = feedback->time};
    if (!record->curve.empty()) {
      update.replaced_curve = record->curve;
      update.replaced_weight = record->weight;
    }
    EQUIPOISE_RETURN_IF_ERROR(policy_->Update(update));
    // Now: a policy that keeps a limited number of domains limits the windows too.
    if (rated) Admit(context.domain, row);
    record->curve = std::move(curve);
    record->weight = weight;
    out.weight = weight;
    out.learned = true;
  }
  record->ratings = std::move(ratings);
  record->groundedness = groundedness;
  record->groundedness_time = groundedness_time;
  // Kept beyond its turn in the ring, so that the same feedback again counts once.
  if (!adopted_.contains(context.query_id)) Adopt(record);
  return out;
}

}  // namespace equipoise
