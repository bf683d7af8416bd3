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
  /// The first `first` columns and those from `from` on are words, aligned to the left; the others
  /// are numbers, aligned to the right.
  Table& Words(std::size_t first, std::size_t from = kNone) {
    left_ = first;
    left_from_ = from;
    return *this;
  }
  void Add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  /// The table as text; on a terminal a last column that does not fit is cut to its width.
  std::string Render() const;

 private:
  std::vector<std::string> header_;
  std::vector<std::vector<std::string>> rows_;
  static constexpr std::size_t kNone = static_cast<std::size_t>(-1);
  std::size_t left_ = 0;
  std::size_t left_from_ = kNone;
};

/// Columns that a terminal needs to show the text (code points; good enough for tables).
std::size_t Width(std::string_view utf8);
/// At most `width` columns of the text, on one line; "…" where something was cut.
std::string Shorten(std::string_view utf8, std::size_t width);
/// Columns of the terminal on stdout; 0 where it is none.
std::size_t TerminalColumns();

/// Where stdin, stdout or stderr is closed, takes its number, so that no file of an index gets it and
/// is written into; writing to it stays an error. To be called before any file is opened.
void HoldStandardFiles();

/// Makes Ctrl-C ask the work to stop (a second one ends the program at once), and a reader that
/// closes our output an error of the write instead of a signal.
void CatchSignals();
bool Interrupted();

/// A callback that draws a bar on stderr if that is a terminal, and stops the work after Ctrl-C.
ProgressCallback MakeProgress();
/// Takes the bar off the screen.
void EndProgress();

}  // namespace equipoise::cli
