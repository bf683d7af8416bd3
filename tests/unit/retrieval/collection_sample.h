/// Small collections of random documents, as tests build and search them.
#pragma once

#include <cmath>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <equipoise/retrieval/collection.h>

namespace equipoise::testing {

inline constexpr std::size_t kDim = 16;

/// Documents of random words with random vectors, and the same as the brute force sees them.
struct Sample {
  std::vector<Document> documents;
  std::vector<float> vectors;  // [n, kDim], unit length

  MatrixView<float> view() const { return {vectors.data(), documents.size(), kDim}; }
};

inline Sample MakeSample(std::size_t n, unsigned seed = 1) {
  static const char* kWords[] = {"wing", "flow", "heat", "shock", "layer", "plate", "cone", "jet"};
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  Sample sample;
  for (std::size_t i = 0; i < n; ++i) {
    Document document{.id = "d" + std::to_string(i), .title = "", .text = ""};
    for (unsigned w = 0; w < 1 + random() % 6; ++w)
      document.text += std::string(kWords[random() % 8]) + " ";
    document.fields = {{"year", std::int64_t{1900} + static_cast<std::int64_t>(i)}};
    sample.documents.push_back(document);
    std::vector<float> row(kDim);
    float norm = 0;
    for (float& x : row) {
      x = normal(random);
      norm += x * x;
    }
    for (float x : row) sample.vectors.push_back(x / std::sqrt(norm));
  }
  return sample;
}

inline Status BuildSample(const std::string& folder, const Sample& sample, bool with_vectors = true,
                          CollectionOptions options = {}) {
  auto builder = CollectionBuilder::Begin(folder, options);
  if (!builder) return builder.error();
  for (const Document& document : sample.documents)
    if (Status s = builder->Add(document); !s.ok()) return s;
  return builder->Finish(with_vectors ? EmbeddingsView(sample.view()) : EmbeddingsView());
}

inline Collection OpenSample(const std::string& folder) {
  auto opened = Collection::Open(folder);
  EXPECT_TRUE(opened.ok()) << opened.error().ToString();
  return *std::move(opened);
}

inline std::vector<std::string> Ids(const SearchResult& result) {
  std::vector<std::string> ids;
  for (const Hit& hit : result.hits) ids.push_back(hit.id);
  return ids;
}

}  // namespace equipoise::testing
