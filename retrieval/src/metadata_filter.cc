#include <algorithm>
#include <bit>
#include <new>
#include <optional>
#include <utility>
#include <vector>

#include <roaring/roaring.h>

#include <equipoise/core/check.h>
#include <equipoise/retrieval/collection.h>
#include <equipoise/retrieval/metadata_filter.h>

#include "filter_expression.h"

namespace equipoise {
namespace {

// Kept compressed where that takes at most one of so many bytes of the words: each search spreads it
// out again, in 2 to 6 µs for a million documents, of which 1,000 take 2 KB instead of 125.
constexpr std::size_t kSmaller = 8;
// More documents than one in so many are not tried.
constexpr std::size_t kSparse = 16;

struct RoaringDeleter {
  void operator()(roaring_bitmap_t* bitmap) const { roaring_bitmap_free(bitmap); }
};
using Roaring = std::unique_ptr<roaring_bitmap_t, RoaringDeleter>;

}  // namespace

struct MetadataFilter::State {
  std::string text;
  std::uint64_t fingerprint = 0;
  std::size_t documents = 0;
  std::size_t count = 0;
  // One of the two.
  std::optional<RowSet> rows;
  Roaring compressed;
  std::size_t bytes = 0;

  // Errors   kOutOfMemory
  Status Keep(RowSet found);
};

Status MetadataFilter::State::Keep(RowSet found) {
  count = found.Count();
  bytes = found.words().size_bytes();
  const Status no_memory(Code::kOutOfMemory, "no memory for a compressed filter");
  if (count <= documents / kSparse) {
    std::vector<std::uint32_t> docs;
    docs.reserve(count);
    found.ForEach([&](std::uint32_t doc) { docs.push_back(doc); });
    compressed.reset(roaring_bitmap_of_ptr(docs.size(), docs.data()));
    if (compressed == nullptr) return no_memory;
    roaring_bitmap_run_optimize(compressed.get());
    roaring_bitmap_shrink_to_fit(compressed.get());
    const std::size_t small = roaring_bitmap_size_in_bytes(compressed.get());
    if (small * kSmaller <= bytes) {
      bytes = small;
      return {};
    }
    compressed = nullptr;
  }
  rows = std::move(found);
  return {};
}

Result<MetadataFilter> MetadataFilter::Compile(std::string_view text,
                                               const Collection& collection) {
  try {
    const auto& columns = collection.columns().all();
    EQUIPOISE_ASSIGN_OR_RETURN(const filter::Node node, filter::Parse(text, columns));
    auto state = std::make_shared<State>();
    state->text = text;
    state->fingerprint = collection.fingerprint();
    state->documents = collection.documents();
    RowSet found(state->documents);
    const std::span<std::uint64_t> words = found.mutable_words();
    std::fill(words.begin(), words.end(), ~std::uint64_t{0});
    if (const std::size_t last = state->documents % 64; last != 0)
      words.back() = (std::uint64_t{1} << last) - 1;
    for (std::size_t begin = 0; begin < words.size(); begin += filter::kBlockWords)
      filter::Match(node, columns, begin,
                    words.subspan(begin, std::min(filter::kBlockWords, words.size() - begin)));
    EQUIPOISE_RETURN_IF_ERROR(state->Keep(std::move(found)));
    return MetadataFilter(std::move(state));
  } catch (const std::bad_alloc&) {
    return Status(Code::kOutOfMemory, "no memory for this filter", {.field = "filter"});
  }
}

MetadataFilter::MetadataFilter(std::shared_ptr<const State> state) : state_(std::move(state)) {}

bool MetadataFilter::Matches(std::uint32_t doc) const {
  if (doc >= state_->documents) return false;
  return state_->rows ? state_->rows->Has(doc)
                      : roaring_bitmap_contains(state_->compressed.get(), doc);
}

RowSet MetadataFilter::Rows() const {
  if (state_->rows) return *state_->rows;
  RowSet rows(state_->documents);
  roaring_iterate(
      state_->compressed.get(),
      [](std::uint32_t doc, void* to) {
        static_cast<RowSet*>(to)->Add(doc);
        return true;
      },
      &rows);
  return rows;
}

const RowSet* MetadataFilter::rows() const { return state_->rows ? &*state_->rows : nullptr; }
std::size_t MetadataFilter::Count() const { return state_->count; }
std::size_t MetadataFilter::documents() const { return state_->documents; }
std::uint64_t MetadataFilter::fingerprint() const { return state_->fingerprint; }
const std::string& MetadataFilter::text() const { return state_->text; }
std::size_t MetadataFilter::bytes() const { return state_->bytes; }

}  // namespace equipoise
