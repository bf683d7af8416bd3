// Fronts as JSON files.
#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <new>
#include <optional>

#include <nlohmann/json.hpp>

#include <equipoise/core/atomic_file.h>
#include <equipoise/core/check.h>
#include <equipoise/core/checked_file.h>
#include <equipoise/core/json_lines.h>
#include <equipoise/core/version.h>
#include <equipoise/engine/simulation.h>
#include <equipoise/engine/tuning.h>
#include <equipoise/optimizer/pareto.h>

#include "configuration_json.h"
#include "tuning_units.h"

namespace equipoise {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kFormat = 2;

// One walk over the members names and orders what is written, and what is read: a Writer puts a value into
// an object, a Reader takes it out and keeps the first thing that is wrong.
struct Writer {
  Json object = Json::object();

  template <typename T>
  void operator()(const char* name, const T& value) {
    object[name] = value;
  }
  template <typename T>
  void Number(const char* name, const T& value, double, double) {
    object[name] = value;
  }
  void Bits(const char* name, std::uint64_t value) { object[name] = value; }
  void Numbers(const char* name, const std::vector<double>& values, double, double) {
    object[name] = values;
  }
};

struct Reader {
  const Json* object;
  std::string place;
  std::string* wrong;        // what is, empty so far
  std::string* wrong_field;  // where
  std::size_t used = 0;

  void Refuse(const std::string& name, const std::string& why) {
    if (!wrong->empty()) return;
    *wrong = fmt::format("\"{}{}\" {}", place, name, why);
    *wrong_field = place + name;
  }
  const Json* Find(const char* name) {
    ++used;
    const auto at = object->is_object() ? object->find(name) : object->end();
    if (at != object->end()) return &*at;
    Refuse(name, "is missing");
    return nullptr;
  }
  template <typename T>
  void operator()(const char* name, T& value) {
    const Json* at = Find(name);
    if (at == nullptr) return;
    try {
      value = at->get<T>();
    } catch (const Json::exception&) {
      Refuse(name, "is of another type than it should be");
    }
  }
  template <typename T>
  void Number(const char* name, T& value, double low, double high) {
    const Json* at = Find(name);
    if (at == nullptr) return;
    constexpr bool kWhole = !std::is_floating_point_v<T>;
    if (!at->is_number() || (kWhole && !at->is_number_integer()))
      return Refuse(name, kWhole ? "must be a whole number" : "must be a number");
    const double number = at->get<double>();
    if (!(number >= low && number <= high))
      return Refuse(name, fmt::format("is {}, outside [{}, {}]", at->dump(), low, high));
    value = at->get<T>();
  }
  /// Any whole number of 64 bits.
  void Bits(const char* name, std::uint64_t& value) {
    const Json* at = Find(name);
    if (at == nullptr) return;
    if (!at->is_number_unsigned()) return Refuse(name, "must be a whole number, 0 or more");
    value = at->get<std::uint64_t>();
  }
  /// The elements of an array; none, where it is no array.
  const Json& Elements(const char* name) {
    static const Json kNothing = Json::array();
    const Json* at = Find(name);
    if (at == nullptr || at->is_array()) return at == nullptr ? kNothing : *at;
    Refuse(name, "must be an array");
    return kNothing;
  }
  /// An array of numbers; what is null in it is `absent`, where that is given.
  template <typename T>
  void Numbers(const char* name, std::vector<T>& values, double low, double high,
               std::optional<T> absent = {}) {
    for (const Json& each : Elements(name)) {
      const bool number =
          std::is_floating_point_v<T> ? each.is_number() : each.is_number_unsigned();
      const double value = number ? each.get<double>() : 0;
      if (absent && each.is_null())
        values.push_back(*absent);
      else if (number && value >= low && value <= high)
        values.push_back(each.get<T>());
      else
        return Refuse(fmt::format("{}[{}]", name, values.size()),
                      fmt::format("is {}, no number in [{}, {}]", each.dump(), low, high));
    }
  }
};

constexpr double kMost = 1e15;
constexpr double kMostCost = 1e30;  // of many units at their most

template <typename Visitor, typename Values>
void VisitValues(Visitor&& visit, Values& v) {
  visit.Number("cost", v.cost, 0, kMostCost);
  visit.Number("quality", v.quality, 0, 1);
  // Up to what rounding adds.
  visit.Number("diversity", v.diversity, -1e-3, 2 + 1e-3);
}

template <typename Visitor, typename Space>
void VisitSpace(Visitor&& visit, Space& s) {
  visit.Number("alpha_low", s.alpha_low, 0, 1);
  visit.Number("alpha_high", s.alpha_high, 0, 1);
  visit.Number("depth_low", s.depth_low, 1, 1e4);
  visit.Number("depth_high", s.depth_high, 1, 1e4);
  visit.Number("ef_low", s.ef_low, 1, 1e4);
  visit.Number("ef_high", s.ef_high, 1, 1e4);
  visit("exact", s.exact);
  visit("rescore", s.rescore);
  visit("mmr", s.mmr);
}

template <typename Visitor, typename Effort>
void VisitEffort(Visitor&& visit, Effort& e) {
  visit.Number("asked", e.asked, 0, kMost);
  visit.Number("judged", e.judged, 0, kMost);
  visit.Number("searches", e.searches, 0, kMost);
  visit.Number("searches_saved", e.searches_saved, 0, kMost);
}

template <typename Visitor, typename Collection>
void VisitCollection(Visitor&& visit, Collection& c) {
  visit("index", c.index);
  visit.Bits("fingerprint", c.fingerprint);
  visit.Number("training", c.training, 0, kMost);
  visit.Number("validation", c.validation, 0, kMost);
  visit.Number("left_out", c.left_out, 0, kMost);
}

template <typename Visitor, typename Front>
void VisitFront(Visitor&& visit, Front& f) {
  visit("objectives", f.objectives);
  visit.Number("k", f.k, 1, 1000);
  visit.Number("groundedness", f.groundedness, 0, 1);
  visit("subtopics", f.subtopics);
  visit.Number("validation", f.validation, 0.1, 0.9);
  visit.Bits("seed", f.seed);
  visit.Number("population", f.population, 4, 1e4);
  visit.Number("generations", f.generations, 1, 1e5);
  visit("complete", f.complete);
  visit.Numbers("reference", f.reference, 0, 2 * kMostCost);
  // A share, up to what rounding adds.
  visit.Numbers("hypervolume", f.hypervolume, 0, 1 + 1e-6);
}

template <typename Visitor, typename Point>
void VisitPoint(Visitor&& visit, Point& p) {
  visit.Number("quality_low", p.quality_low, 0, 1);
  visit.Number("quality_high", p.quality_high, 0, 1);
  visit.Number("gain", p.gain, -1, 1);
  visit.Number("gain_low", p.gain_low, -1, 1);
  visit.Number("gain_high", p.gain_high, -1, 1);
}

const char* MeasureName(QualityMeasure measure) {
  return measure == QualityMeasure::kNdcg ? "ndcg" : "recall";
}

Json ValuesJson(const TunedValues& values) {
  Writer out;
  VisitValues(out, values);
  return std::move(out.object);
}

Json PointJson(const TunedPoint& point) {
  Writer rest;
  VisitPoint(rest, point);
  Json out = {{"configuration", ConfigurationToJson(point.configuration)},
              {"training", ValuesJson(point.training)},
              {"validation", ValuesJson(point.validation)}};
  out.update(rest.object);
  out["advantage"] = AdvantageName(point.advantage);
  out["measured_ms"] = point.measured_ms ? Json(*point.measured_ms) : Json(nullptr);
  return out;
}

/// Reads the parts that are objects of their own.
class FrontReader {
 public:
  explicit FrontReader(const std::string& name) : name_(name) {}

  Result<TunedFront> Read(const Json& object);

 private:
  Reader At(const Json& object, std::string place) {
    return {.object = &object, .place = std::move(place), .wrong = &wrong_, .wrong_field = &field_};
  }
  const Json& Part(const Json& object, const char* name, const std::string& place) {
    static const Json kNothing = Json::object();
    const Json* at = At(object, place).Find(name);
    return at != nullptr ? *at : kNothing;
  }
  Status Error() const {
    if (wrong_.empty()) return {};
    return Status(Code::kInvalidArgument, "is no front: " + wrong_,
                  {.file = name_, .field = field_});
  }
  Status Wrong(const std::string& field, const std::string& why) const {
    return Status(Code::kInvalidArgument, "is no front: " + why, {.file = name_, .field = field});
  }
  Status ReadPoint(const Json& object, const std::string& place, TunedPoint* to);
  Status Check(const TunedFront& front) const;
  Status CheckPoints(const TunedFront& front) const;

  const std::string& name_;
  std::string wrong_, field_;
};

Status FrontReader::ReadPoint(const Json& object, const std::string& place, TunedPoint* to) {
  EQUIPOISE_ASSIGN_OR_RETURN(to->configuration,
                             ConfigurationFromJson(Part(object, "configuration", place), name_));
  if (!to->configuration.alpha || !to->configuration.fusion)
    return Wrong(place + "configuration", "a configuration of it fixes no alpha or fusion");
  VisitValues(At(Part(object, "training", place), place + "training."), to->training);
  VisitValues(At(Part(object, "validation", place), place + "validation."), to->validation);
  VisitPoint(At(object, place), *to);
  std::string advantage;
  At(object, place)("advantage", advantage);
  for (const Advantage each :
       {Advantage::kNone, Advantage::kHolds, Advantage::kUnclear, Advantage::kVanishes})
    if (AdvantageName(each) == advantage) to->advantage = each;
  if (AdvantageName(to->advantage) != advantage)
    At(object, place).Refuse("advantage", "is none of none, holds, unclear, vanishes");
  const Json& measured = Part(object, "measured_ms", place);
  if (!measured.is_null()) {
    to->measured_ms = 0.0;
    At(object, place).Number("measured_ms", *to->measured_ms, 0, kMost);
  }
  return Error();
}

/// No point is worse than another one, or the same.
Status FrontReader::CheckPoints(const TunedFront& front) const {
  const auto worse = [&](std::size_t i, std::size_t j) {
    return Wrong(fmt::format("points[{}]", i),
                 fmt::format("point {} is nowhere worse than point {}: the file was edited", j, i));
  };
  const std::size_t n = front.points.size(), m = front.objectives.size();
  std::vector<double> values;
  std::map<std::vector<double>, std::size_t> different;
  for (std::size_t i = 0; i < n; ++i) {
    const std::vector<double> one = front.Minimized(front.points[i].training);
    const auto [at, added] = different.try_emplace(one, i);
    if (!added) return worse(i, at->second);
    values.insert(values.end(), one.begin(), one.end());
  }
  const MatrixView<double> view(values.data(), n, m);
  EQUIPOISE_ASSIGN_OR_RETURN(const NonDominatedSorting sorting, NonDominatedSort(view));
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; sorting.rank[i] > 0 && j < n; ++j)
      if (Dominates(view.row_span(j), view.row_span(i))) return worse(i, j);
  return {};
}

Status FrontReader::Check(const TunedFront& front) const {
  const auto& names = front.objectives;
  for (std::size_t i = 0; i < names.size(); ++i)
    if ((names[i] != "cost" && names[i] != "quality" && names[i] != "diversity") ||
        std::find(names.begin(), names.begin() + static_cast<std::ptrdiff_t>(i), names[i]) !=
            names.begin() + static_cast<std::ptrdiff_t>(i))
      return Wrong("objectives",
                   fmt::format("objective \"{}\" is unknown or there twice", names[i]));
  if (names.empty()) return Wrong("objectives", "it has no objectives");
  if (front.points.empty()) return Wrong("points", "it has no points");
  if (front.collections.empty()) return Wrong("collections", "it names no collection");
  if (front.reference.size() != names.size())
    return Wrong("reference",
                 "\"reference\" has another number of values than there are objectives");
  if (front.hypervolume.size() != front.generations)
    return Wrong("hypervolume", "\"hypervolume\" has another number of values than generations");
  EQUIPOISE_RETURN_IF_ERROR(CheckPoints(front));
  if (front.sweep.point >= front.points.size() || front.sweep.quality.size() != simulation::kGrid)
    return Wrong("sweep", "\"sweep\" is of no point, or of another number of alphas");
  if (front.state.rank.size() != front.population ||
      front.state.crowding.size() != front.population ||
      front.state.x.size() % front.population != 0)
    return Wrong("state", "\"state\" is of another population");
  return {};
}

Result<TunedFront> FrontReader::Read(const Json& object) {
  if (!object.is_object() || object.value("kind", Json()) != "equipoise front")
    return Status(Code::kInvalidArgument, "is no file that `equipoise tune` wrote",
                  {.file = name_, .field = "kind"});
  const Json format = object.value("format", Json());
  if (format != kFormat)
    return Status(Code::kUnsupported,
                  fmt::format("is of format {}; this program reads {}: tune again, or use another "
                              "version of equipoise",
                              format.dump(), kFormat),
                  {.file = name_, .field = "format"});
  TunedFront out;
  VisitFront(At(object, ""), out);
  std::string measure;
  At(object, "")("measure", measure);
  if (measure != "ndcg" && measure != "recall")
    At(object, "").Refuse("measure", "is neither ndcg nor recall");
  out.measure = measure == "recall" ? QualityMeasure::kRecall : QualityMeasure::kNdcg;
  const Json& space = Part(object, "space", "");
  VisitSpace(At(space, "space."), out.space);
  std::vector<std::string> fusions;
  At(space, "space.")("fusions", fusions);
  EQUIPOISE_RETURN_IF_ERROR(Error());
  out.space.fusions.clear();
  for (const std::string& fusion : fusions) {
    const auto method = ParseFusion(fusion);
    if (!method) return method.error().At({.file = name_, .field = "space.fusions"});
    out.space.fusions.push_back(*method);
  }
  VisitUnits(At(Part(object, "units", ""), "units."), out.units);
  VisitEffort(At(Part(object, "effort", ""), "effort."), out.effort);
  for (const Json& each : At(object, "").Elements("collections")) {
    out.collections.emplace_back();
    VisitCollection(At(each, fmt::format("collections[{}].", out.collections.size() - 1)),
                    out.collections.back());
  }
  for (const Json& each : At(object, "").Elements("points")) {
    TunedPoint point;
    EQUIPOISE_RETURN_IF_ERROR(
        ReadPoint(each, fmt::format("points[{}].", out.points.size()), &point));
    out.points.push_back(std::move(point));
  }
  EQUIPOISE_RETURN_IF_ERROR(ReadPoint(Part(object, "default", ""), "default.", &out.standard));
  for (const Json& each : At(object, "").Elements("dominated")) {
    TunedValues values;
    VisitValues(At(each, fmt::format("dominated[{}].", out.dominated.size())), values);
    out.dominated.push_back(values);
  }
  const Json& sweep = Part(object, "sweep", "");
  At(sweep, "sweep.").Number("point", out.sweep.point, 0, kMost);
  At(sweep, "sweep.").Number("queries", out.sweep.queries, 0, kMost);
  At(sweep, "sweep.").Numbers("quality", out.sweep.quality, 0, 1);
  std::string fusion;
  At(sweep, "sweep.")("fusion", fusion);
  const Json& state = Part(object, "state", "");
  constexpr double kLargest = std::numeric_limits<double>::max();
  At(state, "state.").Numbers("x", out.state.x, -kLargest, kLargest);
  At(state, "state.").Numbers("rank", out.state.rank, 0, static_cast<double>(out.population));
  At(state, "state.")
      .Numbers("crowding", out.state.crowding, 0, kLargest,
               std::optional(std::numeric_limits<double>::infinity()));
  EQUIPOISE_RETURN_IF_ERROR(Error());
  const auto method = ParseFusion(fusion);
  if (!method) return method.error().At({.file = name_, .field = "sweep.fusion"});
  out.sweep.fusion = *method;
  EQUIPOISE_RETURN_IF_ERROR(Check(out));
  return out;
}

}  // namespace

std::string FrontJson(const TunedFront& front) {
  Writer general, space, units, effort;
  VisitFront(general, front);
  VisitSpace(space, front.space);
  VisitUnits(units, front.units);
  VisitEffort(effort, front.effort);
  space.object["fusions"] = Json::array();
  for (const FusionMethod method : front.space.fusions)
    space.object["fusions"].push_back(FusionName(method));
  Json out = {{"kind", "equipoise front"}, {"format", kFormat}, {"library", Version()}};
  out.update(general.object);
  out["measure"] = MeasureName(front.measure);
  out["space"] = space.object;
  out["units"] = units.object;
  out["effort"] = effort.object;
  out["collections"] = Json::array();
  for (const TunedCollection& collection : front.collections) {
    Writer one;
    VisitCollection(one, collection);
    out["collections"].push_back(one.object);
  }
  out["points"] = Json::array();
  for (const TunedPoint& point : front.points) out["points"].push_back(PointJson(point));
  out["default"] = PointJson(front.standard);
  out["dominated"] = Json::array();
  for (const TunedValues& values : front.dominated) out["dominated"].push_back(ValuesJson(values));
  out["sweep"] = {{"point", front.sweep.point},
                  {"fusion", FusionName(front.sweep.fusion)},
                  {"queries", front.sweep.queries},
                  {"quality", front.sweep.quality}};
  // Infinite ones, which JSON has not, become null.
  out["state"] = {
      {"x", front.state.x}, {"rank", front.state.rank}, {"crowding", front.state.crowding}};
  return out.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

Status WriteFront(const TunedFront& front, const std::string& path) try {
  AtomicFile file(path);
  EQUIPOISE_RETURN_IF_ERROR(file.Create());
  EQUIPOISE_RETURN_IF_ERROR(file.Append(FrontJson(front)));
  return file.Publish();
} catch (const std::bad_alloc&) {
  return Status(Code::kOutOfMemory, "no memory to write the front", {.file = path});
}

Result<TunedFront> ParseFront(std::string_view text, const std::string& name) try {
  if (JsonLines::IsTooDeep(text))
    return Status(Code::kInvalidArgument, "is nested too deeply", {.file = name});
  Json object;
  try {
    object = Json::parse(text);
  } catch (const Json::exception& error) {
    return Status(Code::kInvalidArgument, std::string("is not valid JSON: ") + error.what(),
                  {.file = name});
  }
  return FrontReader(name).Read(object);
} catch (const std::bad_alloc&) {
  return Status(Code::kOutOfMemory, "no memory for the front", {.file = name});
}

Result<TunedFront> ReadFront(const std::string& path) {
  EQUIPOISE_ASSIGN_OR_RETURN(const MappedFile file, MappedFile::Open(path));
  const auto bytes = file.bytes();
  return ParseFront({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, path);
}

}  // namespace equipoise
