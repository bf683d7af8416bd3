/// What went wrong, where, and what to do: the error type of every public function.
///
/// Nothing public throws. A function that can fail returns Status, or Result<T>, which is a value
/// or a Status. The codes are one list for the whole library and do not change.
///
///   auto engine = equipoise::Engine::Open("my-index");
///   if (!engine) return Fail(engine.error().ToString());
///   engine->Search(...);
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include <equipoise/core/export.h>

namespace equipoise {

enum class Code : std::uint8_t {
  kOk = 0,
  kInvalidArgument,  ///< the caller's input is wrong; calling again will not help
  kNotFound,         ///< the named thing is not there
  kCorruption,       ///< bytes on disk are not what was written
  kIo,               ///< the operating system refused a read or a write
  kOutOfMemory,
  kUnsupported,  ///< right, but not something this version or build can do
  kDevice,       ///< an accelerator failed
  kTimeout,
  kCancelled,  ///< a callback or a token asked to stop
  kOverloaded,
  kUnavailable,  ///< not now: somebody else holds it
  kBudgetExceeded,
  kInternal,  ///< our own mistake; please report it
};

/// The code's name as programs print it: "invalid_argument", "not_found", ...
EQUIPOISE_API std::string_view CodeName(Code code);

/// Where in the input the error is. Parts that do not apply are empty, 0 or -1.
struct Where {
  std::string file{};     ///< path as the caller gave it
  std::int64_t line = 0;  ///< 1-based line of a text file; 0: none
  std::int64_t row = -1;  ///< 0-based row of a matrix or document; -1: none
  std::string field{};    ///< name of a field, option or parameter
};

/// A code, a message for people, and where. Cheap when ok: no allocation.
/// Threads  a value type; distinct objects are independent
class [[nodiscard]] EQUIPOISE_API Status {
 public:
  Status() = default;
  Status(Code code, std::string message, Where where = {});

  static Status Ok() { return {}; }

  bool ok() const { return detail_ == nullptr; }
  explicit operator bool() const { return ok(); }
  Code code() const;
  /// What happened and what to do, without the place: valid UTF-8 on one line, whatever bytes of a
  /// damaged file it quotes.
  const std::string& message() const;
  const Where& where() const;
  /// One line: "corpus.jsonl:12: invalid_argument: missing \"_id\" (field _id)".
  std::string ToString() const;
  /// The same error with the parts of `where` that are still empty filled in.
  Status At(Where where) const;

 private:
  struct Detail {
    Code code;
    std::string message;
    Where where;
  };
  // Shared, so that a Status is a pointer wide and copies cannot throw.
  std::shared_ptr<const Detail> detail_;
};

/// A value or the Status that says why there is none.
/// value(), * and -> may only be used where the result is ok; otherwise the behaviour is that of
/// std::get on the wrong alternative (an exception inside the caller's own mistake).
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::move(value)) {}        // NOLINT: implicit on purpose
  Result(Status status) : state_(std::move(status)) {  // NOLINT: implicit on purpose
    if (std::get<Status>(state_).ok())
      state_ = Status(Code::kInternal, "a Result was made from an ok Status");
  }

  bool ok() const { return std::holds_alternative<T>(state_); }
  explicit operator bool() const { return ok(); }

  T& value() & { return std::get<T>(state_); }
  const T& value() const& { return std::get<T>(state_); }
  T&& value() && { return std::get<T>(std::move(state_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  /// The error; an ok Status where there is a value.
  Status error() const { return ok() ? Status() : std::get<Status>(state_); }

 private:
  std::variant<Status, T> state_;
};

}  // namespace equipoise
