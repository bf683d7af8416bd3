// NVIDIA's management library, opened at run time. The few declarations that are needed are ours: its
// header is no part of every CUDA toolkit, and its interface has been stable since version 2 of these
// functions.
#pragma once

#include <string>
#include <vector>

#include <equipoise/kernels/hardware.h>

namespace equipoise {

/// As GpuDevices, from the library of this name.
std::vector<GpuInfo> NvmlDevices(const char* library, std::string* driver);

}  // namespace equipoise
