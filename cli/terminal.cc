#include "terminal.h"

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

namespace equipoise::cli {
namespace {

std::atomic<bool> interrupted{false};
bool bar_shown = false;

void OnInterrupt(int) {
  if (interrupted.exchange(true)) ::_exit(130);
}

/// Not fmt::print, which throws where the terminal is gone.
void Draw(const std::string& text) {
  std::fputs(text.c_str(), stderr);
  std::fflush(stderr);
}

bool IsContinuation(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

}  // namespace

std::size_t Width(std::string_view utf8) {
  return static_cast<std::size_t>(
      std::count_if(utf8.begin(), utf8.end(), [](char c) { return !IsContinuation(c); }));
}

std::string Shorten(std::string_view utf8, std::size_t width) {
  std::string out;
  std::size_t columns = 0;
  const bool fits = Width(utf8) <= width;
  for (std::size_t i = 0; i < utf8.size(); ++i) {
    if (!IsContinuation(utf8[i])) {
      if (!fits && columns + 1 >= width) break;
      ++columns;
    }
    // Control characters of a document must not steer the reader's terminal: the 7-bit ones, and
    // U+0080 to U+009F.
    const auto byte = static_cast<unsigned char>(utf8[i]);
    const bool wide =
        byte == 0xC2 && i + 1 < utf8.size() && static_cast<unsigned char>(utf8[i + 1]) < 0xA0;
    const bool control = byte < 0x20 || byte == 0x7F || wide;
    out += control ? ' ' : utf8[i];
    i += wide;
  }
  if (!fits && width > 0) out += "…";
  return out;
}

std::size_t TerminalColumns() {
  winsize size{};
  if (::isatty(STDOUT_FILENO) && ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0) return size.ws_col;
  return 0;
}

std::string Table::Render() const {
  std::vector<std::size_t> widths;
  for (const std::string& cell : header_) widths.push_back(Width(cell));
  for (const auto& row : rows_)
    for (std::size_t c = 0; c < row.size(); ++c) widths[c] = std::max(widths[c], Width(row[c]));
  if (const std::size_t columns = TerminalColumns(); columns > 0 && !widths.empty()) {
    std::size_t others = 0;
    for (std::size_t c = 0; c + 1 < widths.size(); ++c) others += widths[c] + 2;
    if (others + 10 < columns) widths.back() = std::min(widths.back(), columns - others);
  }
  std::string out;
  auto line = [&](const std::vector<std::string>& row) {
    std::string text;
    for (std::size_t c = 0; c < row.size(); ++c) {
      const std::string cell = Shorten(row[c], widths[c]);
      const std::string fill(widths[c] - std::min(widths[c], Width(cell)), ' ');
      if (c > 0) text += "  ";
      text += c < left_ || c >= left_from_ ? cell + fill : fill + cell;
    }
    text.erase(text.find_last_not_of(' ') + 1);
    out += text + "\n";
  };
  line(header_);
  for (const auto& row : rows_) line(row);
  return out;
}

void HoldStandardFiles() {
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd)
    if (::fcntl(fd, F_GETFD) < 0) static_cast<void>(::open("/dev/null", O_RDONLY));
}

void CatchSignals() {
  std::signal(SIGINT, OnInterrupt);
  std::signal(SIGPIPE, SIG_IGN);
}

bool Interrupted() { return interrupted; }

ProgressCallback MakeProgress() {
  const bool draw = ::isatty(STDERR_FILENO) != 0;
  return [draw](const Progress& progress) {
    if (draw && progress.total > 0) {
      constexpr std::size_t kCells = 30;
      const double share =
          std::min(1.0, static_cast<double>(progress.done) / static_cast<double>(progress.total));
      const auto full = static_cast<std::size_t>(share * kCells);
      Draw(fmt::format("\r\033[K{:<10} [{}{}] {:3.0f} %", progress.stage, std::string(full, '#'),
                       std::string(kCells - full, '.'), 100 * share));
      bar_shown = true;
    }
    return !Interrupted();
  };
}

void EndProgress() {
  if (bar_shown) Draw("\r\033[K");
  bar_shown = false;
}

}  // namespace equipoise::cli
