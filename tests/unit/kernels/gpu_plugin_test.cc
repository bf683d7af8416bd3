#include <cstdio>
#include <cstdlib>
#include <fstream>

#include <gtest/gtest.h>

#include "gpu/gpu.h"
#include "gpu/nvml.h"
#include "gpu/plugin.h"

namespace equipoise {
namespace {

TEST(GpuPlugin, AMachineWithoutADriverIsToldSo) {
  const Gpu& gpu = FindGpu();
  EXPECT_FALSE(gpu.reason.empty());
  EXPECT_EQ(&gpu, &FindGpu());
  if (gpu.usable) GTEST_SKIP() << "a GPU is usable here: " << gpu.reason;
  const float row[4] = {1, 2, 3, 4};
  const auto items = UploadItems(MatrixView<float>(row, 1, 4), Metric::kInnerProduct, false);
  ASSERT_FALSE(items.ok());
  EXPECT_EQ(items.error().code(), Code::kDevice);
  EXPECT_NE(items.error().message().find(gpu.reason), std::string::npos);
  float rows[2] = {1, 2};
  EXPECT_EQ(GpuSoftmax(rows, 1, 2, 1).code(), Code::kDevice);
  EXPECT_EQ(GpuNormalize(rows, 1, 2).code(), Code::kDevice);
  EXPECT_EQ(GpuQuantize(row, 4, ElementType::kInt8, {}, rows).code(), Code::kDevice);
}

TEST(GpuPlugin, AFileThatIsNoLibraryIsRefusedWithItsName) {
  const std::string path = ::testing::TempDir() + "gpu_plugin_test_no_library.so";
  std::ofstream(path) << "not a library";
  const auto api = LoadGpuPlugin(path);
  std::remove(path.c_str());
  ASSERT_FALSE(api.ok());
  EXPECT_EQ(api.error().code(), Code::kNotFound);
  EXPECT_NE(api.error().message().find(path), std::string::npos) << api.error().ToString();
}

TEST(GpuPlugin, AnAbsentFileIsRefused) {
  const auto api = LoadGpuPlugin("/nowhere/libequipoise_cuda.so");
  ASSERT_FALSE(api.ok());
  EXPECT_EQ(api.error().code(), Code::kNotFound);
}

TEST(GpuPlugin, AnotherVersionIsRefused) {
  const auto api = LoadGpuPlugin(GPU_FAKE_WRONG_VERSION);
  ASSERT_FALSE(api.ok());
  EXPECT_EQ(api.error().code(), Code::kUnsupported);
  EXPECT_NE(api.error().message().find("another version"), std::string::npos);
}

TEST(GpuPlugin, ALibraryOfAnotherKindIsRefused) {
  const auto api = LoadGpuPlugin(GPU_FAKE_NVML);
  ASSERT_FALSE(api.ok());
  EXPECT_EQ(api.error().code(), Code::kUnsupported);
  EXPECT_NE(api.error().message().find("no plug-in"), std::string::npos);
}

TEST(GpuPlugin, TheBuiltPlugInLoadsAndSaysWhetherItsDeviceIsUsable) {
#if defined(GPU_PLUGIN)
  const auto api = LoadGpuPlugin(GPU_PLUGIN);
  ASSERT_TRUE(api.ok()) << api.error().ToString();
  EquipoiseCudaFailure failure{};
  const std::int32_t code = (*api)->open(&failure);
  if (code == kEquipoiseCudaOk) {
    EXPECT_STREQ(failure.message, "");
  } else {
    EXPECT_STRNE(failure.message, "");
  }
#else
  GTEST_SKIP() << "this build has no CUDA plug-in";
#endif
}

TEST(GpuPlugin, TheEnvironmentNamesTheFile) {
  setenv("EQUIPOISE_CUDA_PLUGIN", "/some/where.so", 1);
  EXPECT_EQ(GpuPluginPaths(), std::vector<std::string>{"/some/where.so"});
  setenv("EQUIPOISE_CUDA_PLUGIN", "", 1);
  EXPECT_EQ(GpuPluginPaths().back(), "libequipoise_cuda.so");
  unsetenv("EQUIPOISE_CUDA_PLUGIN");
}

TEST(GpuDevices, AreWhatTheManagementLibrarySays) {
  std::string driver;
  const std::vector<GpuInfo> devices = NvmlDevices(GPU_FAKE_NVML, &driver);
  EXPECT_EQ(driver, "580.00");
  ASSERT_EQ(devices.size(), 2U);
  EXPECT_EQ(devices[0].name, "NVIDIA Test");
  EXPECT_EQ(devices[0].compute_capability, "9.0");
  EXPECT_EQ(devices[0].memory_bytes, 1000U);
  EXPECT_EQ(devices[0].free_bytes, 600U);
  EXPECT_DOUBLE_EQ(devices[0].utilization, 0.75);
  EXPECT_DOUBLE_EQ(devices[1].utilization, -1);
}

TEST(GpuDevices, AreNoneWithoutTheLibraryOrWithAnother) {
  std::string driver = "left over";
  EXPECT_TRUE(NvmlDevices("/nowhere/libnvidia-ml.so.1", &driver).empty());
  EXPECT_EQ(driver, "");
  EXPECT_TRUE(NvmlDevices(GPU_FAKE_WRONG_VERSION, nullptr).empty());
  GpuDevices(&driver);  // whatever this machine has
}

}  // namespace
}  // namespace equipoise
