/// Labelled unit vectors with a known best classifier, for tests of the domain detector.
#pragma once

#include <cmath>
#include <string>
#include <string_view>
#include <vector>

#include <equipoise/core/matrix_view.h>
#include <equipoise/core/random.h>

namespace equipoise::testing {

struct Labelled {
  std::size_t dim = 0;
  std::vector<float> values;
  std::vector<std::string> names;

  std::size_t size() const { return names.size(); }
  MatrixView<float> rows() const { return {values.data(), size(), dim}; }
  std::vector<std::string_view> labels() const { return {names.begin(), names.end()}; }
  void Add(const std::vector<float>& row, std::string name) {
    dim = row.size();
    values.insert(values.end(), row.begin(), row.end());
    names.push_back(std::move(name));
  }
};

inline double Gaussian(Random* random) {
  double sum = 0;  // of twelve uniform numbers: close enough
  for (int i = 0; i < 12; ++i) sum += random->Uniform();
  return sum - 6;
}

/// `per_domain` rows of each domain, each near one of the domain's `topics` centers; `noise` is the
/// length of what is added to a center of length 1, `shift` that of a direction common to all rows.
/// The centers depend on the number of domains and topics alone.
inline Labelled Clouds(std::size_t domains, std::size_t per_domain, std::uint64_t seed,
                       double noise = 0.5, std::size_t topics = 1, double shift = 0,
                       std::size_t dim = 16) {
  Random place(1234);
  std::vector<std::vector<double>> centers(domains * topics, std::vector<double>(dim));
  for (auto& center : centers) {
    double norm = 0;
    for (double& x : center) {
      x = Gaussian(&place);
      norm += x * x;
    }
    for (double& x : center) x /= std::sqrt(norm);
  }
  Random random(seed);
  Labelled out;
  std::vector<float> row(dim);
  for (std::size_t i = 0; i < per_domain; ++i)
    for (std::size_t c = 0; c < domains; ++c) {
      const auto& center = centers[c * topics + random.Below(topics)];
      for (std::size_t x = 0; x < dim; ++x)
        row[x] = static_cast<float>(
            center[x] + noise * Gaussian(&random) / std::sqrt(static_cast<double>(dim)) +
            (x % 2 == 0 ? shift : -shift) / std::sqrt(static_cast<double>(dim)));
      out.Add(row, "domain " + std::string(1, static_cast<char>('a' + c)));
    }
  return out;
}

}  // namespace equipoise::testing
