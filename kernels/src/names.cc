#include <string>

#include <equipoise/kernels/metric.h>
#include <equipoise/kernels/vectors.h>

namespace equipoise {

std::string_view MetricName(Metric metric) {
  switch (metric) {
    case Metric::kCosine:
      return "cosine";
    case Metric::kL2:
      return "l2";
    case Metric::kInnerProduct:
      return "ip";
  }
  return "unknown";
}

Result<Metric> ParseMetric(std::string_view name) {
  for (const Metric metric : {Metric::kCosine, Metric::kL2, Metric::kInnerProduct}) {
    if (MetricName(metric) == name) return metric;
  }
  return Status(Code::kInvalidArgument, "no metric \"" + std::string(name) + "\"; cosine, l2 or ip",
                {.field = "metric"});
}

std::string_view ElementTypeName(ElementType type) {
  switch (type) {
    case ElementType::kFloat32:
      return "float32";
    case ElementType::kFloat16:
      return "float16";
    case ElementType::kBFloat16:
      return "bfloat16";
    case ElementType::kInt8:
      return "int8";
  }
  return "unknown";
}

}  // namespace equipoise
