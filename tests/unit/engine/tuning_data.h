// A small judged collection, and a short run on it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <equipoise/core/random.h>
#include <equipoise/engine/engine.h>
#include <equipoise/engine/tuning.h>

#include "temp_folder.h"

namespace equipoise {

using testing::TempFolder;

inline constexpr std::size_t kDimensions = 12;

/// A collection whose queries share words with some of their relevant documents and direction with others.
class Judged {
 public:
  Judged(std::size_t documents, std::size_t queries, std::uint64_t seed = 1,
         std::size_t dimensions = kDimensions) {
    Random random(seed);
    const auto words = [&](std::size_t n, std::uint64_t topic) {
      std::string out;
      for (std::size_t i = 0; i < n; ++i)
        out += "w" + std::to_string(random.Chance(0.4) ? 1000 + topic : random.Below(60)) + " ";
      return out;
    };
    const auto direction = [&](std::uint64_t topic, std::vector<float>* to) {
      Random fixed(topic + 77);
      for (std::size_t j = 0; j < dimensions; ++j)
        to->push_back(static_cast<float>(fixed.Uniform() - 0.5 + 1.3 * (random.Uniform() - 0.5)));
    };
    constexpr std::uint64_t kTopics = 30;
    std::vector<Document> corpus;
    std::vector<float> rows;
    for (std::size_t i = 0; i < documents; ++i) {
      corpus.push_back({.id = "d" + std::to_string(i), .title = "", .text = words(9, i % kTopics)});
      direction(i % kTopics, &rows);
    }
    EXPECT_TRUE(Engine::Build(folder_.path("index"), corpus,
                              MatrixView<float>(rows.data(), documents, dimensions))
                    .ok());
    std::string lines, qrels, vectors;
    for (std::size_t q = 0; q < queries; ++q) {
      const std::uint64_t topic = random.Below(kTopics);
      lines += "{\"_id\": \"q" + std::to_string(q) + "\", \"text\": \"" + words(3, topic) + "\"}\n";
      std::vector<float> row;
      direction(topic, &row);
      const auto d = static_cast<std::int32_t>(dimensions);
      vectors.append(reinterpret_cast<const char*>(&d), 4);
      vectors.append(reinterpret_cast<const char*>(row.data()), 4 * dimensions);
      for (std::size_t i = topic; i < documents; i += kTopics)
        if (random.Chance(0.5))
          qrels += "q" + std::to_string(q) + " 0 d" + std::to_string(i) + " " +
                   std::to_string(1 + random.Below(3)) + "\n";
      if (q % 7 == 3) qrels += "q" + std::to_string(q) + " 0 absent 2\n";
    }
    source_ = {.index = folder_.path("index"),
               .queries = folder_.Write("queries.jsonl", lines),
               .query_embeddings = folder_.Write("queries.fvecs", vectors),
               .qrels = folder_.Write("qrels", qrels)};
  }
  std::vector<StudySource> sources() const { return {source_}; }
  const StudySource& source() const { return source_; }
  std::string path(const char* name) const { return folder_.path(name); }

 private:
  TempFolder folder_;
  StudySource source_;
};

inline CostUnits Units() {
  return {.lexical_search = 2000,
          .posting = 3,
          .lexical_result = 9,
          .vector_search = 4000,
          .seen = 1,
          .distance = 11,
          .rescored = 40,
          .fusion = 700,
          .candidate = 25,
          .missing = 60,
          .compared = 12};
}

inline TuningOptions Small() {
  TuningOptions out;
  out.population = 16;
  out.generations = 6;
  out.units = Units();
  out.timed = false;
  return out;
}

}  // namespace equipoise
