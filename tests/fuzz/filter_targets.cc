// Filters of metadata, as people type them.
#include <equipoise/retrieval/collection.h>
#include <equipoise/retrieval/metadata_filter.h>

#include "fuzz_target.h"

namespace equipoise::fuzz {
namespace {

const Collection& TheCollection() {
  static const Folder folder("filter");
  static const Collection collection = [] {
    auto builder = CollectionBuilder::Begin(folder.path("index"), {});
    EQUIPOISE_FUZZ_REQUIRE(builder.ok(), builder.error().ToString());
    for (std::uint32_t i = 0; i < 200; ++i) {
      Document document{.id = std::to_string(i), .title = "", .text = "wing"};
      if (i % 3 != 0)
        document.fields = {{"year", std::int64_t{1900} + i},
                           {"share", 0.25 * i},
                           {"new", i % 2 == 0},
                           {"domain", std::string(i % 5, 'a')},
                           {"odd name", std::string("é")},
                           {"tags", JsonText{"[1]"}}};
      EQUIPOISE_FUZZ_REQUIRE(builder->Add(document).ok(), document.id);
    }
    EQUIPOISE_FUZZ_REQUIRE(builder->Finish().ok(), "");
    return *Collection::Open(folder.path("index"));
  }();
  return collection;
}

/// What it matches, or nothing where it is refused.
std::optional<MetadataFilter> Compiled(const std::string& text) {
  auto filter = MetadataFilter::Compile(text, TheCollection());
  RequireCode(filter.error(), {Code::kInvalidArgument});
  if (filter.ok()) return *std::move(filter);
  EQUIPOISE_FUZZ_REQUIRE(filter.error().message().find("character ") != std::string::npos, text);
  return {};
}

void RunFilter(std::string_view input) {
  const std::string text(input);
  const auto filter = Compiled(text);
  if (!filter) return;
  const std::size_t n = TheCollection().documents();
  EQUIPOISE_FUZZ_REQUIRE(filter->Count() <= n && filter->Count() == filter->Rows().Count(), text);
  // Laws that hold whatever is asked. Two levels more may be too deep.
  const auto rest = Compiled("not (" + text + ")");
  const auto twice = Compiled("(" + text + ") and (" + text + ")");
  const auto all = Compiled("(" + text + ") or not (" + text + ")");
  const auto none = Compiled("exists year and not (" + text + ") and (" + text + ")");
  if (rest) EQUIPOISE_FUZZ_REQUIRE(rest->Count() == n - filter->Count(), text);
  if (twice) EQUIPOISE_FUZZ_REQUIRE(twice->Count() == filter->Count(), text);
  if (all) EQUIPOISE_FUZZ_REQUIRE(all->Count() == n, text);
  if (none) EQUIPOISE_FUZZ_REQUIRE(none->Count() == 0, text);
  const auto found = TheCollection().Search({.text = "wing", .k = n, .filter = &*filter});
  EQUIPOISE_FUZZ_REQUIRE(found.ok() && found->hits.size() == filter->Count(), text);
}

std::vector<std::string> FilterSeeds() {
  return {"new = true", "year >= 1960 and domain in (\"aa\", 'aaa')",
          "not (share < 12.5e0 or exists tags) and `odd name` != \"\\\"é\"",
          "year not in (1901, 1902.0, -3, 1e300) OR domain > 'a' AND new != FALSE",
          "((((year <= 9223372036854775807))))"};
}

}  // namespace

std::vector<Target> FilterTargets() { return {{"filter", RunFilter, FilterSeeds}}; }

}  // namespace equipoise::fuzz
