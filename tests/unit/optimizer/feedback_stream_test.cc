#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include <equipoise/optimizer/feedback_stream.h>

#include "temp_folder.h"

namespace equipoise {
namespace {

constexpr double kNow = 1.7e9;
constexpr double kDay = 86400;

struct Data {
  std::vector<float> rating, confidence;
  std::vector<double> time;
  std::vector<std::uint64_t> source, item;
  std::vector<std::uint32_t> domain;

  FeedbackBatch batch() const {
    return {rating, time, source, item, domain, {}, confidence, {}, {}};
  }
  void Append(const Data& from, std::size_t i) {
    rating.push_back(from.rating[i]);
    confidence.push_back(from.confidence[i]);
    time.push_back(from.time[i]);
    source.push_back(from.source[i]);
    item.push_back(from.item[i]);
    domain.push_back(from.domain[i]);
  }
  Data Rows(std::size_t begin, std::size_t end) const {
    Data out;
    for (std::size_t i = begin; i < end; ++i) out.Append(*this, i);
    return out;
  }
};

Data Random(std::size_t n, double days) {
  std::mt19937_64 random(n);
  std::uniform_real_distribution<double> unit;
  Data data;
  for (std::size_t i = 0; i < n; ++i) {
    data.rating.push_back(static_cast<float>(unit(random)));
    data.confidence.push_back(static_cast<float>(unit(random)));
    data.time.push_back(kNow - unit(random) * days * kDay);
    data.source.push_back(random() % 40);
    data.item.push_back(random() % 25);
    data.domain.push_back(static_cast<std::uint32_t>(random() % 3));
  }
  return data;
}

FeedbackOptions Domains() {
  FeedbackOptions options;
  options.domain_half_lives = {{1, 3 * kDay}, {2, 100 * kDay}};
  return options;
}

FeedbackOptions Bare(FeedbackOptions options) {
  options.outliers.method = OutlierMethod::kNone;
  options.abuse.duplicates = false;
  options.confidence.reliability = options.confidence.evidence = false;
  return options;
}

void ExpectNear(const FeedbackAggregate& a, const FeedbackAggregate& b) {
  EXPECT_EQ(a.kept, b.kept);
  EXPECT_NEAR(a.weight, b.weight, 1e-6 * b.weight);
  EXPECT_NEAR(a.mean, b.mean, 1e-6);
  EXPECT_NEAR(a.Variance(), b.Variance(), 1e-6);
  EXPECT_NEAR(a.EffectiveSize(), b.EffectiveSize(), 1e-6 * b.EffectiveSize());
}

void ExpectBatch(const FeedbackStream& stream, const Data& data, double now) {
  const auto want = FeedbackFilter(Bare(Domains())).Apply(data.batch(), now);
  ASSERT_TRUE(want.ok());
  ExpectNear(*stream.Total(now), want->total);
  for (const auto& item : want->items) ExpectNear(*stream.Item(item.key, now), item);
  for (const auto& source : want->sources) ExpectNear(*stream.Source(source.key, now), source);
  const auto verdicts = FeedbackFilter(Domains()).Apply(data.batch(), now);
  const auto got = stream.Filter(now);
  ASSERT_TRUE(got.ok());
  EXPECT_EQ(got->verdict, verdicts->verdict);
  EXPECT_EQ(got->weight, verdicts->weight);
}

TEST(FeedbackStream, AggregatesAndVerdictsAreThoseOfTheBatch) {
  const Data data = Random(3000, 90);
  auto stream = FeedbackStream::Create(Domains());
  for (std::size_t i = 0; i < 3000; i += 100)
    ASSERT_TRUE(stream->Add(data.Rows(i, i + 100).batch(), kNow).ok());
  EXPECT_EQ(stream->size(), 3000u);
  ExpectBatch(*stream, data, kNow);
  ExpectBatch(*stream, data, kNow + 30 * kDay);
}

TEST(FeedbackStream, TheLandmarkMovesOverManyHalfLives) {
  Data data = Random(2000, 4000);  // 1,333 half-lives of domain 1
  std::sort(data.time.begin(), data.time.end());
  auto stream = FeedbackStream::Create(Domains());
  for (std::size_t i = 0; i < 2000; i += 50)
    ASSERT_TRUE(stream->Add(data.Rows(i, i + 50).batch(), data.time[i + 49]).ok());
  ExpectBatch(*stream, data, kNow);
}

TEST(FeedbackStream, RemovedIsAsIfNeverAdded) {
  const Data data = Random(3000, 90);
  auto stream = FeedbackStream::Create(Domains());
  ASSERT_TRUE(stream->Add(data.batch(), kNow).ok());
  for (const double days : {60.0, 20.0, 1.0}) {
    Data left;
    for (std::size_t i = 0; i < 3000; ++i)
      if (data.time[i] >= kNow - days * kDay) left.Append(data, i);
    stream->Remove(kNow - days * kDay);
    EXPECT_EQ(stream->size(), left.rating.size());
    ExpectBatch(*stream, left, kNow);
  }
  stream->Remove(kNow + 1);
  EXPECT_EQ(stream->size(), 0u);
  EXPECT_EQ(stream->Total(kNow)->weight, 0);
  EXPECT_EQ(stream->Item(3, kNow)->kept, 0u);
  ASSERT_TRUE(stream->Add(data.batch(), kNow).ok());
  ExpectBatch(*stream, data, kNow);
}

TEST(FeedbackStream, ALightRestIsNotLostBesideWhatGoes) {
  // One item: an old rating of full confidence goes, new ones of hardly any stay.
  auto stream = FeedbackStream::Create({});
  Data data = Random(3, 1);
  data.confidence = {1, 1e-9f, 2e-9f};
  data.time = {kNow - kDay, kNow, kNow};
  data.item = {1, 1, 1};
  ASSERT_TRUE(stream->Add(data.batch(), kNow).ok());
  EXPECT_EQ(stream->Remove(kNow), 1u);
  const auto item = stream->Item(1, kNow);
  EXPECT_EQ(item->kept, 2u);
  EXPECT_NEAR(item->mean, (data.rating[1] + 2.0 * data.rating[2]) / 3, 1e-6);
}

TEST(FeedbackStream, MergedIsAsIfAddedToOne) {
  const Data data = Random(2000, 90);
  auto one = FeedbackStream::Create(Domains()), two = FeedbackStream::Create(Domains());
  ASSERT_TRUE(one->Add(data.Rows(0, 700).batch(), kNow - 1).ok());
  ASSERT_TRUE(two->Add(data.Rows(700, 2000).batch(), kNow).ok());
  ASSERT_TRUE(one->Merge(*two).ok());
  ExpectBatch(*one, data, kNow);
  auto other = FeedbackStream::Create({});
  EXPECT_FALSE(one->Merge(*other).ok());
}

// Adding, merging, taking out, saving and restoring in any order, with half-lives from an hour to ever.
TEST(FeedbackStream, AnyOrderOfStepsEndsWhereTheBatchDoes) {
  const testing::TempFolder folder;
  double worst = 0;
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    std::mt19937_64 random(seed);
    std::uniform_real_distribution<double> unit;
    FeedbackOptions options;
    options.half_life = kDay * std::pow(10, 3 * unit(random) - 1.4);
    options.domain_half_lives = {{1, kDay * std::pow(10, 3 * unit(random) - 1.4)},
                                 {2, std::numeric_limits<double>::infinity()}};
    if (seed % 3 == 0) {
      options.rating_low = 1000;
      options.rating_high = 1005;
    }
    const double range = options.rating_high - options.rating_low;
    const double span = kDay * std::pow(10, 3 * unit(random));
    double now = kNow;
    Data window;
    auto stream = FeedbackStream::Create(options);
    const auto draw = [&] {
      Data data = Random(1 + random() % 60, 1);
      for (std::size_t i = 0; i < data.rating.size(); ++i) {
        data.rating[i] = options.rating_low + static_cast<float>(range) * data.rating[i];
        data.time[i] = now - span * unit(random) * (i % 10 == 0 ? 20 : 1);
        if (i % 7 == 0) data.confidence[i] *= 1e-6f;
      }
      for (std::size_t i = 0; i < data.rating.size(); ++i) window.Append(data, i);
      return data;
    };
    for (int step = 0; step < 30; ++step) {
      now += unit(random) * span / 5;
      switch (random() % 6) {
        case 0: {
          auto other = FeedbackStream::Create(options);
          ASSERT_TRUE(other->Add(draw().batch(), now).ok());
          ASSERT_TRUE(stream->Merge(*other).ok());
          break;
        }
        case 1: {
          const double time = now - 1.2 * span * unit(random);
          Data left;
          for (std::size_t i = 0; i < window.rating.size(); ++i)
            if (window.time[i] >= time) left.Append(window, i);
          EXPECT_EQ(stream->Remove(time), window.rating.size() - left.rating.size());
          window = left;
          break;
        }
        case 2: {
          ASSERT_TRUE(stream->Save(folder.path("s")).ok());
          auto back = FeedbackStream::Load(folder.path("s"), options);
          ASSERT_TRUE(back.ok()) << back.error().ToString();
          stream = std::move(back);
          break;
        }
        default:
          ASSERT_TRUE(stream->Add(draw().batch(), now).ok());
      }
      const double at = now + span * unit(random) / 10;
      const auto want = FeedbackFilter(Bare(options)).Apply(window.batch(), at);
      const auto compare = [&](const FeedbackAggregate& a, const FeedbackAggregate& b) {
        EXPECT_EQ(a.kept, b.kept);
        if (b.weight < 1e-30) return;
        worst =
            std::max({worst, std::abs(a.weight / b.weight - 1), std::abs(a.mean - b.mean) / range,
                      std::abs(a.EffectiveSize() / b.EffectiveSize() - 1)});
        if (b.EffectiveSize() > 1 + 2e-6)
          worst = std::max(worst, std::abs(a.Variance() - b.Variance()) / (range * range));
      };
      compare(*stream->Total(at), want->total);
      for (const auto& item : want->items) compare(*stream->Item(item.key, at), item);
      for (const auto& source : want->sources) compare(*stream->Source(source.key, at), source);
      const auto verdicts = FeedbackFilter(options).Apply(window.batch(), at);
      const auto got = stream->Filter(at);
      ASSERT_TRUE(got.ok());
      EXPECT_EQ(got->verdict, verdicts->verdict) << seed << " " << step;
      EXPECT_EQ(got->weight, verdicts->weight) << seed << " " << step;
    }
  }
  EXPECT_LT(worst, 1e-6);
}

TEST(FeedbackStream, ASnapshotRestoresEverything) {
  const testing::TempFolder folder;
  const Data data = Random(500, 90);
  auto stream = FeedbackStream::Create(Domains());
  ASSERT_TRUE(stream->Add(data.Rows(0, 400).batch(), kNow).ok());
  Data bad = data.Rows(0, 1);
  bad.rating[0] = std::nanf("");
  ASSERT_TRUE(stream->Add(bad.batch(), kNow).ok());
  ASSERT_TRUE(stream->Save(folder.path("s")).ok());
  auto back = FeedbackStream::Load(folder.path("s"), Domains());
  ASSERT_TRUE(back.ok()) << back.error().ToString();
  EXPECT_EQ(back->refused(), stream->refused());
  EXPECT_EQ(back->refused()[static_cast<int>(FeedbackVerdict::kBadRating)], 1u);
  ASSERT_TRUE(back->Add(data.Rows(400, 500).batch(), kNow).ok());
  ExpectBatch(*back, data, kNow);
  EXPECT_EQ(FeedbackStream::Load(folder.path("s"), {}).error().code(), Code::kInvalidArgument);
  EXPECT_EQ(FeedbackStream::Load(folder.path("t"), {}).error().code(), Code::kNotFound);
  const std::string whole = testing::ReadFile(folder.path("s"));
  for (std::size_t at = 0; at < whole.size(); at += 997) {
    std::string changed = whole;
    changed[at] = static_cast<char>(changed[at] ^ 1);
    EXPECT_FALSE(FeedbackStream::Load(folder.Write("c", changed), Domains()).ok()) << at;
  }
  EXPECT_FALSE(FeedbackStream::Load(folder.Write("c", whole.substr(0, 300)), Domains()).ok());
}

TEST(FeedbackStream, TimeDoesNotRunBackAndColumnsStay) {
  const Data data = Random(10, 1);
  auto stream = FeedbackStream::Create({});
  ASSERT_TRUE(stream->Add(data.batch(), kNow).ok());
  EXPECT_EQ(stream->Add(data.batch(), kNow - 1).code(), Code::kInvalidArgument);
  EXPECT_FALSE(stream->Total(kNow - 1).ok());
  FeedbackBatch fewer = data.batch();
  fewer.item = {};
  EXPECT_EQ(stream->Add(fewer, kNow).code(), Code::kInvalidArgument);
  EXPECT_EQ(stream->size(), 10u);
  EXPECT_FALSE(FeedbackStream::Create([] {
                 FeedbackOptions options;
                 options.half_life = -1;
                 return options;
               }())
                   .ok());
}

TEST(FeedbackStream, DwellTimesAndPositionsWeighAsInABatch) {
  FeedbackOptions options = Bare({});
  options.confidence.dwell_half = 20;
  options.confidence.position_power = 0.7;
  const Data data = Random(300, 30);
  std::vector<float> dwell;
  std::vector<std::uint32_t> position;
  for (std::size_t i = 0; i < 300; ++i) {
    dwell.push_back(static_cast<float>(i % 50));
    position.push_back(static_cast<std::uint32_t>(i % 12));
  }
  FeedbackBatch batch = data.batch();
  batch.dwell = dwell;
  batch.position = position;
  auto stream = FeedbackStream::Create(options);
  ASSERT_TRUE(stream->Add(batch, kNow).ok());
  const auto want = FeedbackFilter(options).Apply(batch, kNow);
  ExpectNear(*stream->Total(kNow), want->total);
  for (const auto& item : want->items) ExpectNear(*stream->Item(item.key, kNow), item);
}

TEST(FeedbackStream, UnknownSourcesAreRefusedAndNotInTheSums) {
  FeedbackOptions options = Bare({});
  options.known_sources = {1, 2, 3, 4, 5};
  const Data data = Random(500, 30);
  auto stream = FeedbackStream::Create(options);
  ASSERT_TRUE(stream->Add(data.batch(), kNow).ok());
  const auto want = FeedbackFilter(options).Apply(data.batch(), kNow);
  const std::uint64_t unknown = want->count(FeedbackVerdict::kUnknownSource);
  ASSERT_GT(unknown, 0u);
  EXPECT_EQ(stream->refused()[static_cast<int>(FeedbackVerdict::kUnknownSource)], unknown);
  ExpectNear(*stream->Total(kNow), want->total);
  EXPECT_EQ(stream->Filter(kNow)->count(FeedbackVerdict::kUnknownSource), 0u);
}

TEST(FeedbackStream, WhatHasExpiredWeighsNothingAsInABatch) {
  const Data data = Random(20, 1);
  auto stream = FeedbackStream::Create(Bare({}));
  ASSERT_TRUE(stream->Add(data.batch(), kNow).ok());
  const double later = kNow + 1e12;
  const auto total = stream->Total(later);
  EXPECT_EQ(total->kept, 20u);
  EXPECT_EQ(total->weight, 0);
  EXPECT_EQ(total->mean, 0);
  EXPECT_EQ(FeedbackFilter(Bare({})).Apply(data.batch(), later)->total.mean, 0);
}

TEST(FeedbackStream, ASnapshotThatCannotTakeItsNameLeavesNothingBehind) {
  const testing::TempFolder folder;
  auto stream = FeedbackStream::Create({});
  std::filesystem::create_directories(folder.path("taken/by/folder"));
  EXPECT_EQ(stream->Save(folder.path("taken")).code(), Code::kIo);
  EXPECT_FALSE(std::filesystem::exists(folder.path("taken.new")));
}

}  // namespace
}  // namespace equipoise
