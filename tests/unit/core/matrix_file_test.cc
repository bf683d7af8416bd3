#include <csignal>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <equipoise/core/matrix_file.h>

#include "temp_folder.h"

namespace equipoise {
namespace {

using ::testing::HasSubstr;
using testing::ReadFile;
using testing::TempFolder;
using testing::WriteFile;

// An .npy file byte by byte, as the format's description says.
std::string Npy(const std::string& dict, const std::string& data, int version = 1,
                std::size_t align = 64) {
  const std::size_t start = version == 1 ? 10 : 12;
  std::string header = dict;
  while (align > 0 && (start + header.size() + 1) % align != 0) header.push_back(' ');
  header.push_back('\n');
  std::string out = "\x93NUMPY";
  out.push_back(static_cast<char>(version));
  out.push_back('\0');
  for (std::size_t i = 0; i < start - 8; ++i)
    out.push_back(static_cast<char>((header.size() >> (8 * i)) & 0xff));
  return out + header + data;
}

std::string Dict(const std::string& descr, const std::string& shape,
                 const std::string& order = "False") {
  return "{'descr': '" + descr + "', 'fortran_order': " + order + ", 'shape': " + shape + ", }";
}

template <typename T>
std::string Bytes(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

const std::vector<float> kSix = {1, 2, 3, 4, 5, 6};

std::string Fvecs(const std::vector<std::vector<float>>& rows) {
  std::string out;
  for (const auto& row : rows) {
    out += Bytes(std::vector<std::int32_t>{static_cast<std::int32_t>(row.size())});
    out += Bytes(row);
  }
  return out;
}

TEST(MatrixFile, ReadsEveryVersionOfNpy) {
  TempFolder folder;
  for (const int version : {1, 2, 3}) {
    const auto path = folder.Write("a.npy", Npy(Dict("<f4", "(2, 3)"), Bytes(kSix), version));
    auto file = MatrixFile::Open(path);
    ASSERT_TRUE(file.ok()) << file.error().ToString();
    EXPECT_FALSE(file->view().is_f16());
    EXPECT_EQ(file->rows(), 2u);
    EXPECT_EQ(file->cols(), 3u);
    EXPECT_EQ(file->view().f32.row(1)[2], 6);
  }
}

TEST(MatrixFile, ReadsDataThatIsNotAligned) {
  TempFolder folder;
  for (std::size_t spaces = 0; spaces < 8; ++spaces) {
    const std::string dict = Dict("<f4", "(2, 3)") + std::string(spaces, ' ');
    const auto path = folder.Write("a.npy", Npy(dict, Bytes(kSix), 1, 0));
    auto opened = MatrixFile::Open(path);
    ASSERT_TRUE(opened.ok()) << opened.error().ToString();
    const MatrixFile moved = *std::move(opened);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(moved.view().f32.data) % 4, 0u);
    EXPECT_EQ(moved.view().f32.row(1)[0], 4);
  }
}

TEST(MatrixFile, ReadsFloat16AndOneDimensionAsOneRow) {
  TempFolder folder;
  const auto half =
      folder.Write("h.npy", Npy(Dict("<f2", "(3, 1)"), Bytes<std::uint16_t>({1, 2, 3})));
  auto file = MatrixFile::Open(half);
  ASSERT_TRUE(file.ok());
  EXPECT_TRUE(file->view().is_f16());
  EXPECT_EQ(file->view().f16.row(2)->bits, 3);
  auto row = MatrixFile::Open(folder.Write("r.npy", Npy(Dict("<f4", "(6,)"), Bytes(kSix))));
  ASSERT_TRUE(row.ok());
  EXPECT_EQ(row->rows(), 1u);
  EXPECT_EQ(row->cols(), 6u);
}

TEST(MatrixFile, ReadsWhatOtherWritersOfTheFormatWrite) {
  TempFolder folder;
  for (const std::string dict :
       {R"({"descr": "<f4", "fortran_order": False, "shape": (2, 3)})",
        "{'shape':(2L,3L),'fortran_order':False,'descr':'<f4'}",
        "{ 'descr' : '<f4' , 'fortran_order' : False , 'shape' : ( 2 , 3 , ) , }"}) {
    auto file = MatrixFile::Open(folder.Write("a.npy", Npy(dict, Bytes(kSix))));
    ASSERT_TRUE(file.ok()) << dict << file.error().ToString();
    EXPECT_EQ(file->cols(), 3u);
  }
  // A single row or column is the same in either order.
  EXPECT_TRUE(
      MatrixFile::Open(folder.Write("f.npy", Npy(Dict("<f4", "(1, 6)", "True"), Bytes(kSix))))
          .ok());
}

TEST(MatrixFile, KeepsTheTypeAndDimensionOfNoRows) {
  TempFolder folder;
  for (const std::string type : {"<f2", "<f4"}) {
    auto file = MatrixFile::Open(folder.Write("e.npy", Npy(Dict(type, "(0, 384)"), "")));
    ASSERT_TRUE(file.ok()) << file.error().ToString();
    EXPECT_EQ(file->view().is_f16(), type == "<f2");
    EXPECT_EQ(file->rows(), 0u);
    EXPECT_EQ(file->cols(), 384u);
    EXPECT_TRUE(CheckFinite(file->view(), "").ok());
  }
}

TEST(MatrixFile, NamesAnotherTypeAndHowToConvertIt) {
  TempFolder folder;
  for (const auto& [descr, name] : std::vector<std::pair<std::string, std::string>>{
           {"<f8", "float64"}, {">f4", "big-endian"}, {"<i8", "integers"}, {"|u1", "integers"}}) {
    const auto path = folder.Write("a.npy", Npy(Dict(descr, "(2, 3)"), std::string(48, '\0')));
    const Status error = MatrixFile::Open(path).error();
    EXPECT_EQ(error.code(), Code::kUnsupported);
    EXPECT_THAT(error.message(), HasSubstr(name));
    EXPECT_THAT(error.message(), HasSubstr("np.save(f, x.astype(np.float32))"));
    EXPECT_EQ(error.where().file, path);
  }
  const auto record = Npy("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,), }", "");
  EXPECT_THAT(MatrixFile::Open(folder.Write("r.npy", record)).error().message(),
              HasSubstr("records"));
}

TEST(MatrixFile, RefusesOrderShapeAndSizeThatAreNotAMatrix) {
  TempFolder folder;
  const auto refuse = [&](const std::string& dict, const std::string& data, Code code) {
    const Status error = MatrixFile::Open(folder.Write("a.npy", Npy(dict, data))).error();
    EXPECT_EQ(error.code(), code) << dict << " " << error.ToString();
    EXPECT_FALSE(error.where().file.empty());
  };
  const std::string six = Bytes(kSix);
  refuse(Dict("<f4", "(2, 3)", "True"), six, Code::kUnsupported);
  refuse(Dict("<f4", "()"), six, Code::kUnsupported);
  refuse(Dict("<f4", "(1, 2, 3)"), six, Code::kUnsupported);
  refuse(Dict("<f4", "(6, 0)"), "", Code::kUnsupported);
  refuse(Dict("<f4", "(0,)"), "", Code::kUnsupported);
  refuse(Dict("<f4", "(2, 3)"), six.substr(1), Code::kCorruption);
  refuse(Dict("<f4", "(2, 3)"), six + "x", Code::kCorruption);
  refuse(Dict("<f4", "(3, 3)"), six, Code::kCorruption);
  // 2^62 × 4 elements of 4 bytes are 0 modulo 2^64.
  refuse(Dict("<f4", "(4611686018427387904, 4)"), "", Code::kCorruption);
  refuse(Dict("<f4", "(4611686018427387904, 1)"), "", Code::kCorruption);
  refuse(Dict("<f4", "(18446744073709551616, 1)"), "", Code::kCorruption);
  refuse(Dict("<f4", "(-2, 3)"), six, Code::kCorruption);
  refuse(Dict("<f4", "(2 3)"), six, Code::kCorruption);
  refuse(Dict("<f4", "(6)"), six, Code::kCorruption);
  refuse(Dict("<f4", "(2, 3)", "1"), six, Code::kCorruption);
  refuse(Dict("<f4", "(2, 3)") + "x", six, Code::kCorruption);
  refuse("{'descr': '<f4', 'shape': (2, 3)}", six, Code::kCorruption);
  refuse("{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (2, 3)}", six,
         Code::kCorruption);
  refuse("{'descr': '<f4' 'fortran_order': False, 'shape': (2, 3)}", six, Code::kCorruption);
  refuse("__import__('os').system('true')", six, Code::kCorruption);
  refuse("", six, Code::kCorruption);
}

TEST(MatrixFile, RefusesFilesOfAnotherKind) {
  TempFolder folder;
  EXPECT_EQ(MatrixFile::Open(folder.path("none.npy")).error().code(), Code::kNotFound);
  EXPECT_EQ(MatrixFile::Open(folder.Write("a.npy", "")).error().code(), Code::kCorruption);
  EXPECT_EQ(MatrixFile::Open(folder.Write("b.npy", "PK\x03\x04")).error().code(),
            Code::kCorruption);
  EXPECT_EQ(MatrixFile::Open(folder.Write("c.bin", "hello")).error().code(), Code::kUnsupported);
  EXPECT_EQ(MatrixFile::Open(folder.Write("d.npy", std::string("\x93NUMPY\x04\x00\x10\x00", 10)))
                .error()
                .code(),
            Code::kUnsupported);
}

TEST(MatrixFile, ReadsFvecs) {
  TempFolder folder;
  auto file = MatrixFile::Open(folder.Write("a.FVECS", Fvecs({{1, 2, 3}, {4, 5, 6}})));
  ASSERT_TRUE(file.ok()) << file.error().ToString();
  EXPECT_EQ(file->rows(), 2u);
  EXPECT_EQ(file->cols(), 3u);
  EXPECT_EQ(file->view().f32.row(0)[0], 1);
  EXPECT_EQ(file->view().f32.row(1)[2], 6);
}

TEST(MatrixFile, RefusesFvecsThatAreCutOrDiffer) {
  TempFolder folder;
  const auto open = [&](const std::string& bytes) {
    return MatrixFile::Open(folder.Write("a.fvecs", bytes)).error();
  };
  const std::string good = Fvecs({{1, 2, 3}, {4, 5, 6}});
  for (const std::size_t size : {0, 3, 4, 7, 15, 17, 31})
    EXPECT_EQ(open(good.substr(0, size)).code(), Code::kCorruption) << size;
  const Status differ = open(Fvecs({{1, 2, 3}, {4, 5}, {6, 7, 8}, {1, 2, 3, 4}}));
  EXPECT_EQ(differ.code(), Code::kCorruption);
  EXPECT_EQ(differ.where().row, 1);
  EXPECT_EQ(open(std::string(16, '\0')).code(), Code::kCorruption);
  EXPECT_EQ(open(std::string(16, '\xff')).code(), Code::kCorruption);
  EXPECT_EQ(open(Bytes<std::int32_t>({0x7fffffff, 1, 2, 3})).code(), Code::kCorruption);
}

TEST(MatrixFile, SurvivesEveryChangedByteAndEveryCutOfAHeader) {
  TempFolder folder;
  const std::string whole = Npy(Dict("<f4", "(2, 3)"), Bytes(kSix));
  const auto touch = [&](const std::string& bytes) {
    auto file = MatrixFile::Open(folder.Write("a.npy", bytes));
    if (!file.ok()) return;
    // Whatever was accepted has to be readable to its last element.
    (void)CheckFinite(file->view(), "");
  };
  for (std::size_t size = 0; size < whole.size(); ++size) touch(whole.substr(0, size));
  for (std::size_t i = 0; i < 128; ++i) {
    for (const char to : std::string("\0\n'(0}\xff", 7)) {
      std::string changed = whole;
      changed[i] = to;
      touch(changed);
    }
  }
  std::mt19937 random(9);
  for (int round = 0; round < 500; ++round) {
    std::string changed = whole;
    for (int edits = 0; edits < 4; ++edits) changed[random() % 128] = static_cast<char>(random());
    touch(changed);
  }
}

TEST(CheckFinite, NamesTheFirstBadRow) {
  const float bad[] = {std::numeric_limits<float>::quiet_NaN(),
                       std::numeric_limits<float>::infinity(),
                       -std::numeric_limits<float>::infinity()};
  for (const float value : bad) {
    std::vector<float> rows(40 * 7, std::numeric_limits<float>::max());
    rows[12 * 7 + 6] = value;
    rows[20 * 7] = value;
    const Status error = CheckFinite(MatrixView<float>(rows.data(), 40, 7), "corpus.npy");
    EXPECT_EQ(error.code(), Code::kInvalidArgument);
    EXPECT_EQ(error.where().row, 12);
    EXPECT_EQ(error.where().file, "corpus.npy");
  }
  std::vector<Float16> halves(20, Float16{0x7bff});
  EXPECT_TRUE(CheckFinite(MatrixView<Float16>(halves.data(), 4, 5), "").ok());
  halves[19].bits = 0xfc00;
  EXPECT_EQ(CheckFinite(MatrixView<Float16>(halves.data(), 4, 5), "").where().row, 3);
}

TEST(CheckFinite, DoesNotReadBetweenTheRows) {
  std::vector<float> rows = {1, std::numeric_limits<float>::quiet_NaN(), 2};
  EXPECT_TRUE(CheckFinite(MatrixView<float>(rows.data(), 2, 1, 2), "").ok());
}

TEST(WriteNpy, IsReadBackBitForBit) {
  TempFolder folder;
  std::mt19937 random(1);
  std::vector<float> values(100);
  for (float& value : values) value = static_cast<float>(random());
  const auto path = folder.path("w.npy");
  // 9 of 10 columns: rows with a gap.
  ASSERT_TRUE(WriteNpy(path, MatrixView<float>(values.data(), 10, 9, 10)).ok());
  auto file = MatrixFile::Open(path);
  ASSERT_TRUE(file.ok()) << file.error().ToString();
  ASSERT_EQ(file->rows(), 10u);
  ASSERT_EQ(file->cols(), 9u);
  for (std::size_t i = 0; i < 10; ++i)
    EXPECT_EQ(std::memcmp(file->view().f32.row(i), values.data() + i * 10, 36), 0);
  EXPECT_EQ(ReadFile(path).size() % 4, 0u);

  const std::vector<Float16> halves(6, Float16{0x3c00});
  ASSERT_TRUE(WriteNpy(path, MatrixView<Float16>(halves.data(), 2, 3)).ok());
  EXPECT_EQ(ReadFile(path), Npy(Dict("<f2", "(2, 3)"), Bytes(halves)));
  EXPECT_EQ(WriteNpy(folder.path("no/such/folder.npy"), MatrixView<float>()).code(), Code::kIo);
}

TEST(WriteNpy, FullDiskLeavesTheOldFile) {
  testing::TempFolder folder;
  const std::string path = folder.Write("x.npy", "the old content");
  const std::vector<float> values(256 * 256);
  const pid_t child = ::fork();
  if (child == 0) {
    // A limit on the size of a file fails a write as a full disk does.
    std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{4096, 4096};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    const Status status = WriteNpy(path, MatrixView<float>(values.data(), 256, 256));
    ::_exit(status.code() == Code::kIo ? 0 : 1);
  }
  int code = 1;
  ::waitpid(child, &code, 0);
  EXPECT_EQ(code, 0);
  EXPECT_EQ(testing::ReadFile(path), "the old content");
  std::filesystem::remove(path);
  EXPECT_TRUE(std::filesystem::is_empty(folder.root())) << "nothing is left aside";
}

TEST(WriteNpy, RefusesADevice) {
  EXPECT_EQ(WriteNpy("/dev/null", MatrixView<float>()).code(), Code::kInvalidArgument);
}

}  // namespace
}  // namespace equipoise
