#include <equipoise/retrieval/search_result.h>

namespace equipoise {

std::string_view AlphaSourceName(AlphaSource source) {
  switch (source) {
    case AlphaSource::kRequest:
      return "request";
    case AlphaSource::kPrior:
      return "prior";
    case AlphaSource::kPolicy:
      return "learned";
    case AlphaSource::kConfigured:
      return "configured";
    case AlphaSource::kIndex:
      return "index";
    case AlphaSource::kDefault:
      return "default";
    case AlphaSource::kSinglePath:
      return "single_path";
  }
  return "index";
}

std::string_view SearchLayerName(SearchLayer layer) {
  switch (layer) {
    case SearchLayer::kNone:
      return "none";
    case SearchLayer::kVector:
      return "vector";
    case SearchLayer::kLexical:
      return "lexical";
    case SearchLayer::kDiversity:
      return "diversity";
  }
  return "none";
}

}  // namespace equipoise
