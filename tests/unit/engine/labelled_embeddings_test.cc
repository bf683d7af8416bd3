#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <equipoise/core/matrix_file.h>
#include <equipoise/engine/labelled_embeddings.h>
#include <equipoise/kernels/quantize.h>

#include "temp_folder.h"

namespace equipoise {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::TempFolder;

class LabelledFiles : public ::testing::Test {
 protected:
  std::string Npy(const std::string& name, const std::vector<float>& values, std::size_t dim) {
    const MatrixView<float> view(values.data(), values.size() / dim, dim);
    EXPECT_TRUE(WriteNpy(folder_.path(name), view).ok());
    return folder_.path(name);
  }
  const TempFolder folder_;
};

TEST_F(LabelledFiles, LabelsComeFromAFieldOfTheLines) {
  const auto read = LabelledEmbeddings::Read(
      {.embeddings = {Npy("e.npy", {1, 2, 3, 4, 5, 6}, 2)},
       .texts = {folder_.Write(
           "t.jsonl",
           "{\"_id\": \"1\", \"kind\": \"b\"}\n\n{\"_id\": \"2\", \"kind\": 7}\n"
           "{\"_id\": \"3\", \"kind\": \"b\"}\n")},
       .field = "kind"});
  ASSERT_TRUE(read.ok()) << read.error().ToString();
  EXPECT_THAT(read->labels(), ElementsAre("b", "7", "b"));
  EXPECT_EQ(read->rows().rows(), 3u);
}

TEST_F(LabelledFiles, FilesOfAnyTypeFollowEachOther) {
  const std::vector<float> second = {5, 6};
  std::vector<Float16> half(2);
  FloatToHalf(second.data(), half.data(), 2);
  ASSERT_TRUE(WriteNpy(folder_.path("half.npy"), MatrixView<Float16>(half.data(), 1, 2)).ok());
  const auto read = LabelledEmbeddings::Read(
      {.embeddings = {Npy("e.npy", {1, 2, 3, 4}, 2), folder_.path("half.npy")},
       .names = {"x", "y"}});
  ASSERT_TRUE(read.ok()) << read.error().ToString();
  EXPECT_THAT(read->labels(), ElementsAre("x", "x", "y"));
  EXPECT_THAT(read->rows().f32.row_span(2), ElementsAre(5, 6));
  EXPECT_EQ(read->PlaceOf(2).file, folder_.path("half.npy"));
  EXPECT_EQ(read->PlaceOf(2).row, 0);
}

TEST_F(LabelledFiles, WhatDoesNotFitTogetherIsRefusedWithItsPlace) {
  const std::string one = Npy("one.npy", {1, 2, 3, 4}, 2);
  const std::string wide = Npy("wide.npy", {1, 2, 3}, 3);
  const std::string bad = Npy("bad.npy", {1, 2, std::numeric_limits<float>::quiet_NaN(), 4}, 2);
  const std::string lines =
      folder_.Write("t.jsonl", "{\"_id\": \"1\", \"domain\": \"b\"}\n{\"_id\": \"2\"}\n");
  const std::string line = folder_.Write("s.jsonl", "{\"_id\": \"1\", \"domain\": \"b\"}\n");

  EXPECT_FALSE(LabelledEmbeddings::Read({.embeddings = {}, .names = {"a"}}).ok());
  EXPECT_FALSE(LabelledEmbeddings::Read({.embeddings = {one}}).ok());
  EXPECT_FALSE(
      LabelledEmbeddings::Read({.embeddings = {one}, .texts = {lines}, .names = {"a"}}).ok());
  EXPECT_FALSE(LabelledEmbeddings::Read({.embeddings = {one}, .names = {"a", "b"}}).ok());
  EXPECT_FALSE(LabelledEmbeddings::Read({.embeddings = {one}, .names = {""}}).ok());

  const Status unlabelled =
      LabelledEmbeddings::Read({.embeddings = {one}, .texts = {lines}}).error();
  EXPECT_EQ(unlabelled.where().file, lines);
  EXPECT_EQ(unlabelled.where().line, 2);
  const Status shorter = LabelledEmbeddings::Read({.embeddings = {one}, .texts = {line}}).error();
  EXPECT_THAT(shorter.message(), HasSubstr("2 rows"));
  const Status nan = LabelledEmbeddings::Read({.embeddings = {bad}, .names = {"a"}}).error();
  EXPECT_EQ(nan.where().file, bad);
  EXPECT_EQ(nan.where().row, 1);
  const Status dimension =
      LabelledEmbeddings::Read({.embeddings = {one, wide}, .names = {"a", "b"}}).error();
  EXPECT_EQ(dimension.where().file, wide);
}

}  // namespace
}  // namespace equipoise
