// A front as one HTML page that needs nothing else.
#pragma once

#include <string>
#include <string_view>

#include <equipoise/engine/tuning.h>

#include "page.h"

namespace equipoise::cli {

/// The plots, and the preference that picks; the page needs Plotly's script.
PagePart FrontPart(const TunedFront& front);

/// `plotly`: the text of plotly.min.js, which goes into the page.
std::string FrontReport(const TunedFront& front, std::string_view plotly);

/// Plotly's script: the named file; where none is named, that of the environment variable EQUIPOISE_PLOTLY,
/// else share/equipoise/plotly.min.js beside the program's folder, where ./dev puts it.
/// Errors   kNotFound saying where to get it; as MappedFile::Open; kInvalidArgument: no such script
Result<std::string> ReadPlotly(const std::string& named);

}  // namespace equipoise::cli
