// A management library with two devices, of which the second does not say how busy it is.
#include <cstring>

#define FAKE_API extern "C" __attribute__((visibility("default")))

FAKE_API int nvmlInit_v2() { return 0; }
FAKE_API int nvmlSystemGetDriverVersion(char* text, unsigned size) {
  std::strncpy(text, "580.00", size);
  return 0;
}
FAKE_API int nvmlDeviceGetCount_v2(unsigned* count) {
  *count = 2;
  return 0;
}
FAKE_API int nvmlDeviceGetHandleByIndex_v2(unsigned index, void** device) {
  static int devices[2];
  *device = &devices[index];
  devices[index] = static_cast<int>(index);
  return 0;
}
FAKE_API int nvmlDeviceGetName(void*, char* text, unsigned size) {
  std::strncpy(text, "NVIDIA Test", size);
  return 0;
}
FAKE_API int nvmlDeviceGetCudaComputeCapability(void*, int* major, int* minor) {
  *major = 9;
  *minor = 0;
  return 0;
}
FAKE_API int nvmlDeviceGetMemoryInfo(void*, unsigned long long* memory) {
  memory[0] = 1000;
  memory[1] = 600;
  memory[2] = 400;
  return 0;
}
FAKE_API int nvmlDeviceGetUtilizationRates(void* device, unsigned* rates) {
  if (*static_cast<int*>(device) == 1) return 3;
  rates[0] = 75;
  rates[1] = 10;
  return 0;
}
