// What a person sees: tables on stdout, a progress bar on stderr, Ctrl-C that ends cleanly.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <equipoise/core/callbacks.h>

namespace equipoise::cli {

/// Rows of text printed in aligned columns.
class Table {
 public:
  explicit Table(std::vector<std::string> header) : header_(std::move(header)) {}
  /// Columns from this one on are aligned to the left (all others to the right).
  Table& LeftFrom(std::size_t column) {
    left_from_ = column;
    return *this;
  }
  void Add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  /// The table as text; on a terminal a last column that does not fit is cut to its width.
  std::string Render() const;

 private:
  std::vector<std::string> header_;
  std::vector<std::vector<std::string>> rows_;
  std::size_t left_from_ = 1000;
};

/// Columns that a terminal needs to show the text (code points; good enough for tables).
std::size_t Width(std::string_view utf8);
/// At most `width` columns of the text, on one line; "…" where something was cut.
std::string Shorten(std::string_view utf8, std::size_t width);
/// Columns of the terminal on stdout; 0 where it is none.
std::size_t TerminalColumns();

/// Makes Ctrl-C ask the work to stop; a second one ends the program at once.
void CatchInterrupt();
bool Interrupted();

/// A callback that draws a bar on stderr if that is a terminal, and stops the work after Ctrl-C.
ProgressCallback MakeProgress();
/// Takes the bar off the screen.
void EndProgress();

}  // namespace equipoise::cli
