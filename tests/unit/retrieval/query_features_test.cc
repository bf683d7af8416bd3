// Features of lists made by hand, worked out on paper.

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include <gtest/gtest.h>

#include <equipoise/core/random.h>
#include <equipoise/retrieval/query_features.h>

namespace equipoise {
namespace {

TEST(QueryFeatures, AreZeroWhereNothingWasFound) {
  for (const float value : FeaturesOf({}).Values()) EXPECT_EQ(value, 0.0f);
  for (const float value : FeaturesOf({.documents = 100}).Values()) EXPECT_EQ(value, 0.0f);
}

TEST(QueryFeatures, OfListsMadeByHand) {
  // Twelve hits by terms: 12, 11, ..., 1, documents 0 to 11; three by vectors, of which the first is the
  // terms' second and the last is not among them.
  std::vector<Scored> lexical;
  for (std::uint32_t i = 0; i < 12; ++i) lexical.push_back({i, 12.0f - static_cast<float>(i)});
  const std::vector<Scored> vector = {{1, 0.9f}, {11, 0.7f}, {50, 0.5f}};
  const std::vector<std::size_t> frequencies = {0, 1, 100};
  const QueryFeatures f = FeaturesOf({.document_frequencies = frequencies,
                                      .documents = 100,
                                      .lexical = lexical,
                                      .vector = vector,
                                      .lexical_depth = 12,
                                      .vector_depth = 100,
                                      .lexical_of_first = 11,
                                      .vector_of_first = 0.6f});
  EXPECT_FLOAT_EQ(f.terms, 2.0f / 8);
  const double most = std::log(202.0);
  EXPECT_FLOAT_EQ(f.idf_highest, 1);
  EXPECT_NEAR(f.idf_lowest, std::log(1 + 0.5 / 100.5) / most, 1e-6);
  EXPECT_NEAR(f.idf_mean,
              (1 + std::log(1 + 99.5 / 1.5) / most + std::log(1 + 0.5 / 100.5) / most) / 3, 1e-6);
  // Scores are 1, 10/11, ..., 0; the tenth is 2/11. A uniform grid of n points has (n + 1) / 12 (n − 1).
  EXPECT_NEAR(f.lexical_gap, 9.0 / 11, 1e-6);
  EXPECT_NEAR(f.lexical_spread, std::sqrt(13.0 / (12 * 11)), 1e-6);
  EXPECT_EQ(f.lexical_found, 1);
  // 1, 1/2, 0, and no tenth.
  EXPECT_NEAR(f.vector_gap, 1, 1e-6);
  EXPECT_NEAR(f.vector_spread, std::sqrt(1.0 / 6), 1e-6);
  // Document 11 is the twelfth by terms.
  EXPECT_NEAR(f.overlap_10, 1.0 / 3, 1e-6);
  EXPECT_NEAR(f.overlap_100, 2.0 / 3, 1e-6);
  EXPECT_NEAR(f.lexical_of_first, 10.0 / 11, 1e-6);
  EXPECT_NEAR(f.vector_of_first, 0.25, 1e-6);
  EXPECT_EQ(f.domain_probability, 0);
  EXPECT_EQ(f.Values()[4], f.lexical_gap);
}

TEST(QueryFeatures, AreInTheUnitIntervalWhateverIsFound) {
  Random random(3);
  for (int round = 0; round < 500; ++round) {
    const auto list = [&] {
      std::vector<Scored> out(random.Below(30));
      const double scale = std::pow(10.0, 60 * random.Uniform() - 30);
      for (Scored& hit : out)
        hit = {static_cast<std::uint32_t>(random.Below(40)),
               static_cast<float>(scale * random.Uniform())};
      std::sort(out.begin(), out.end(),
                [](const Scored& a, const Scored& b) { return a.score > b.score; });
      return out;
    };
    const std::vector<Scored> lexical = list(), vector = list();
    std::vector<std::size_t> frequencies(random.Below(400));
    for (std::size_t& df : frequencies) df = random.Below(100);
    const QueryFeatures f = FeaturesOf({.document_frequencies = frequencies,
                                        .documents = random.Below(60),
                                        .lexical = lexical,
                                        .vector = vector,
                                        .lexical_depth = 1 + random.Below(40),
                                        .vector_depth = 1 + random.Below(40),
                                        .lexical_of_first = std::numeric_limits<float>::infinity(),
                                        .vector_of_first = -1e30f});
    for (const float value : f.Values()) {
      EXPECT_GE(value, 0);
      EXPECT_LE(value, 1);
    }
  }
}

}  // namespace
}  // namespace equipoise
