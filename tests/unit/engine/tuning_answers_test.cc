// Groundedness as a part of quality, and α-nDCG as diversity, in tuning.
#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <equipoise/core/diversity_measures.h>
#include <equipoise/core/ranking_measures.h>
#include <equipoise/engine/tuning.h>
#include <equipoise/optimizer/reward.h>

#include "tuning_data.h"
#include "tuning_evaluator.h"

namespace equipoise {
namespace {

using testing::TempFolder;

constexpr std::size_t kQueries = 20, kDocuments = 200;

std::string AnswerLines(Random* random) {
  std::string out;
  for (std::size_t q = 0; q < kQueries; q += 2) {  // every other one has an answer
    out += "{\"query\": \"q" + std::to_string(q) + "\", \"sentences\": [";
    for (int s = 0; s < 4; ++s) {
      out += s > 0 ? ", \"" : "\"";
      for (int w = 0; w < 5; ++w) out += "w" + std::to_string(random->Below(60)) + " ";
      out += s == 2 ? "nowhere unheard\"" : "\"";
    }
    out += "]}\n";
  }
  return out;
}

std::string SubtopicLines(Random* random) {
  std::string out;
  for (std::size_t q = 0; q < kQueries; ++q)
    for (std::size_t d = 0; d < kDocuments && q % 5 != 4; ++d)  // every fifth has none
      for (const char* subtopic : {"a", "b", "c"})
        if (random->Chance(0.1))
          out += "q" + std::to_string(q) + " " + subtopic + " d" + std::to_string(d) + " " +
                 std::to_string(random->Below(3)) + "\n";
  return out;
}

struct Extended {
  Judged judged{kDocuments, kQueries};
  TempFolder folder;
  StudySource source = judged.source();
  Extended() {
    Random random(5);
    source.answers = folder.Write("answers.jsonl", AnswerLines(&random));
    source.subtopics = folder.Write("subtopics", SubtopicLines(&random));
  }
};

// From the hits of real searches and the files alone: terms and their documents are counted here.
TEST(TuningAnswers, ValuesAreThoseOfRealSearches) {
  const Extended data;
  std::vector<JudgedSource> sources;
  sources.push_back(*OpenJudgedSource(data.source));
  const Engine& engine = sources[0].engine;
  const Collection& collection = engine.collection();
  const auto evaluator =
      *TuningEvaluator::Create(sources, {.longest = 40, .groundedness = 0.3, .subtopics = true});
  const std::vector<Configuration> configurations = {
      {.alpha = 0.5, .fusion = FusionMethod::kMinMax, .lexical_depth = 30, .vector_depth = 20},
      {.alpha = 1.0, .fusion = FusionMethod::kMinMax, .lexical_depth = 40, .vector_depth = 40},
      {.alpha = 0.2,
       .fusion = FusionMethod::kRrf,
       .lexical_depth = 20,
       .vector_depth = 40,
       .mmr = 0.6,
       .mmr_candidates = 25}};
  ASSERT_TRUE(evaluator->Prepare(configurations).ok());
  const Analyzer analyzer = *Analyzer::Create({});
  std::map<std::string, double> frequency;
  const auto terms = [&](const std::string& text) {
    const auto all = analyzer.Analyze(text);
    return std::set<std::string>(all.begin(), all.end());
  };
  std::size_t with_answer = 0, without_subtopics = 0, grounded = 0;
  for (std::size_t q = 0; q < evaluator->queries(); ++q) {
    const SearchRequest request = evaluator->RequestOf(q);
    const auto& items = sources[0].queries.items();
    const auto item = std::find_if(items.begin(), items.end(),
                                   [&](const auto& i) { return i.text == request.text; });
    const Judgments::OfQuery& of = *sources[0].judgments.Find(item->id);
    for (const Configuration& c : configurations) {
      const auto found = engine.Search(request, c);
      ASSERT_TRUE(found.ok());
      std::vector<int> ranked;
      std::vector<SubtopicsOfDocument> shown, all;
      const Subtopics::OfQuery* subtopics = sources[0].subtopics.Find(item->id);
      for (const Hit& hit : found->hits) {
        ranked.push_back(of.GradeOf(hit.id));
        shown.emplace_back();
        if (subtopics != nullptr && subtopics->contains(hit.id))
          shown.back() = subtopics->find(hit.id)->second;
      }
      double quality = NdcgAt(ranked, of.grades, 10);
      if (const auto* answer = sources[0].answers.Find(item->id)) {
        // All sentences and passages at once, terms numbered by a table of our own.
        std::map<std::string, std::uint64_t> numbers;
        const auto number = [&](const std::string& term) {
          return numbers.try_emplace(term, numbers.size()).first->second;
        };
        std::vector<std::vector<std::uint64_t>> ids;
        std::vector<std::vector<float>> weights;
        for (const std::string& sentence : *answer) {
          ids.emplace_back();
          weights.emplace_back();
          for (const std::string& term : terms(sentence)) {
            ids.back().push_back(number(term));
            double df = 0;
            for (std::uint32_t doc = 0; doc < kDocuments; ++doc)
              for (const TermScore& score : collection.ExplainLexical(term, doc))
                df += score.tf > 0 ? 1 : 0;
            weights.back().push_back(
                static_cast<float>(std::log(1 + (kDocuments - df + 0.5) / (df + 0.5))));
          }
        }
        for (const Hit& hit : found->hits) {
          ids.emplace_back();
          for (const std::string& term : terms(std::string(collection.Get(hit.doc).text)))
            ids.back().push_back(number(term));
        }
        std::vector<SupportText> sentences, passages;
        for (std::size_t i = 0; i < ids.size(); ++i)
          (i < answer->size() ? sentences : passages)
              .push_back({.terms = ids[i],
                          .weights = i < answer->size() ? std::span<const float>(weights[i])
                                                        : std::span<const float>(),
                          .embeddings = {}});
        const double share = MeasureGroundedness(sentences, passages)->share;
        grounded += share > 0 && share < 1 ? 1 : 0;
        ++with_answer;
        quality = 0.3 * share + 0.7 * quality;
      }
      const auto values = evaluator->Judge(c, q);
      EXPECT_NEAR(values.quality, quality, 1e-9) << item->id;
      if (subtopics == nullptr) {
        EXPECT_TRUE(std::isnan(values.diversity));
        ++without_subtopics;
        continue;
      }
      for (const auto& each : *subtopics) all.push_back(each.second);
      EXPECT_NEAR(values.diversity, std::min(1.0, AlphaDcgAt(shown, 10) / IdealAlphaDcgAt(all, 10)),
                  1e-12);
    }
  }
  EXPECT_GT(with_answer, 10u);
  EXPECT_GT(grounded, 5u);
  EXPECT_GT(without_subtopics, 3u);
}

TEST(TuningAnswers, AFrontSaysWhatItWasMadeWithAndIsResumedWithNothingElse) {
  const Extended data;
  TuningOptions options = Small();
  options.groundedness = 0.4;
  const auto front = Tune({data.source}, options);
  ASSERT_TRUE(front.ok()) << front.error().ToString();
  EXPECT_EQ(front->groundedness, 0.4);
  EXPECT_TRUE(front->subtopics);
  for (const TunedPoint& point : front->points) EXPECT_LE(point.training.diversity, 1);
  EXPECT_EQ(*ParseFront(FrontJson(*front), "front.json"), *front);
  const auto plain = Tune({data.judged.source()}, options);
  EXPECT_EQ(plain->groundedness, 0);
  EXPECT_FALSE(plain->subtopics);
  options.generations = 8;
  options.resume = &*front;
  EXPECT_TRUE(Tune({data.source}, options).ok());
  EXPECT_EQ(Tune({data.judged.source()}, options).error().where().field, "groundedness");
  options.groundedness = 0.5;
  EXPECT_EQ(Tune({data.source}, options).error().where().field, "groundedness");
}

TEST(TuningAnswers, RefusesFilesThatSayNothingOrNonsense) {
  const Extended data;
  StudySource wrong = data.source;
  const auto refused = [&](const std::string& text, bool answers, std::int64_t line) {
    wrong = data.source;
    (answers ? wrong.answers : wrong.subtopics) = data.folder.Write("wrong", text);
    const auto error = Tune({wrong}, Small()).error();
    EXPECT_EQ(error.code(), Code::kInvalidArgument) << text;
    EXPECT_EQ(error.where().line, line) << text << error.ToString();
    EXPECT_FALSE(error.where().file.empty()) << text;
  };
  const std::string good = "{\"query\": \"q1\", \"sentences\": [\"w1\"]}\n";
  refused(good + "{\"query\": \"q2\"}\n", true, 2);
  refused(good + "{\"query\": 3, \"sentences\": [\"w1\"]}\n", true, 2);
  refused(good + "{\"query\": \"q2\", \"sentences\": []}\n", true, 2);
  refused(good + "{\"query\": \"q2\", \"sentences\": [1]}\n", true, 2);
  refused(good + good, true, 2);
  refused("{", true, 1);
  refused("\n", true, 0);
  refused("q1 a d1 1\nq1 a d2\n", false, 2);
  refused("q1 a d1 1\nq1 a d2 much\n", false, 2);
  refused("q1 a d1 1\nq1 a \xff 1\n", false, 2);
  refused("q1 a d1 0\n", false, 0);
  wrong = data.source;
  wrong.subtopics = data.folder.Write("wrong", "other a d1 1\n");
  EXPECT_EQ(Tune({wrong}, Small()).error().where().field, "subtopics");
  EXPECT_EQ(Tune({data.source, data.judged.source()}, Small()).error().where().field, "subtopics");
  wrong = data.source;
  wrong.answers = data.folder.Write("wrong", "{\"query\": \"other\", \"sentences\": [\"w1\"]}\n");
  EXPECT_EQ(Tune({wrong}, Small()).error().where().field, "answers");
  TuningOptions options = Small();
  options.groundedness = 1.5;
  EXPECT_EQ(Tune({data.source}, options).error().code(), Code::kInvalidArgument);
  wrong.answers = data.folder.path("absent");
  EXPECT_EQ(Tune({wrong}, Small()).error().code(), Code::kNotFound);
}

// As MeasureAnswer, which leaves them out too.
TEST(TuningAnswers, SentencesOfStopWordsAloneCountNeitherWay) {
  const Extended data;
  const auto quality = [&](const std::string& name, const std::string& more) {
    StudySource source = data.source;
    source.answers = data.folder.Write(
        name, "{\"query\": \"q0\", \"sentences\": [\"w1\", \"w2 w3\"" + more + "]}\n");
    std::vector<JudgedSource> sources;
    sources.push_back(*OpenJudgedSource(source));
    const auto evaluator = *TuningEvaluator::Create(sources, {.longest = 40, .groundedness = 1});
    const std::vector<Configuration> configurations = {{.alpha = 1.0, .lexical_depth = 40}};
    EXPECT_TRUE(evaluator->Prepare(configurations).ok());
    EXPECT_EQ(evaluator->RequestOf(0).text, sources[0].queries.items()[0].text);
    return evaluator->Judge(configurations[0], 0).quality;
  };
  const double plain = quality("plain", "");
  EXPECT_GT(plain, 0);
  EXPECT_EQ(quality("padded", ", \"the of and\""), plain);
  EXPECT_LT(quality("unsupported", ", \"unheard\""), plain);
}

}  // namespace
}  // namespace equipoise
