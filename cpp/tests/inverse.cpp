// Inverses of positive definite matrices: A A⁻¹ = 1 within the condition's rounding, the same bits for any number of threads.
#include "chainrule/inverse.hpp"

#include <cmath>
#include <limits>

#include "check.hpp"
#include "naive.hpp"

namespace {

using namespace chainrule;
using check::Random;
using naive::at;

// Σ of n + 5 outer products of random rows, over n, and the unit matrix: its eigenvalues lie between 1 and about 6.
template <class T>
std::vector<T> definite(Index n) {
    Random random(3);
    const Index m = n + 5;
    const std::vector<double> rows = random.vector<double>(m * n, -2, 2);
    std::vector<T> matrix(at(n * n));
    for (Index i = 0; i < n; ++i)
        for (Index j = 0; j <= i; ++j) {
            double sum = i == j ? 1 : 0;
            for (Index k = 0; k < m; ++k) sum += rows[at(k * n + i)] * rows[at(k * n + j)] / static_cast<double>(m);
            matrix[at(i * n + j)] = matrix[at(j * n + i)] = static_cast<T>(sum);
        }
    return matrix;
}

template <class T>
void inverts() {
    for (const Index n : {1, 2, 5, 12, 13, 24, 25, 31, 32, 33, 64, 65, 97, 130, 200, check::sized(273, 201)}) {
        const std::vector<T> matrix = definite<T>(n);
        check::for_each_instruction_set<T>([&](const Kernels<T>& k) {
            std::vector<T> alone(matrix.size(), T(-77));
            CHECK(inverse(k, matrix.data(), n, 1, alone.data()), k.name << ": " << n << " rows are definite");
            double worst = 0;
            bool symmetric = true;
            for (Index i = 0; i < n; ++i)
                for (Index j = 0; j < n; ++j) {
                    double sum = i == j ? -1 : 0;
                    for (Index l = 0; l < n; ++l)
                        sum += static_cast<double>(matrix[at(i * n + l)]) * static_cast<double>(alone[at(l * n + j)]);
                    worst = std::max(worst, std::abs(sum));
                    symmetric = symmetric && check::same_bits(alone[at(i * n + j)], alone[at(j * n + i)]);
                }
            // the condition is below 10, sums are of n terms
            const double room = 10 * static_cast<double>(n) * static_cast<double>(std::numeric_limits<T>::epsilon());
            CHECK(worst <= room && symmetric, k.name << ' ' << check::name_of<T>() << ", n = " << n << ": " << worst);
            for (const int threads : {2, 3, 16}) {
                std::vector<T> together = matrix;  // in its own place
                CHECK(inverse(k, together.data(), n, threads, together.data()) && check::same_bits(alone, together),
                      k.name << ", n = " << n << ": " << threads << " threads");
            }
        });
    }
}
TEST(inverts_f32) {
    inverts<float>();
}
TEST(inverts_f64) {
    inverts<double>();
}

TEST(what_is_not_definite_is_told) {
    for (const Index n : {1, 40, 100})
        for (const double bad : {0.0, -1.0, std::nan(""), HUGE_VAL})
            for (const Index row : {Index{0}, n / 2, n - 1})
                for (const int threads : {1, 3}) {
                    std::vector<double> matrix = definite<double>(n);
                    matrix[at(row * n + row)] = bad;
                    CHECK(!inverse(kernels<double>(), matrix.data(), n, threads, matrix.data()),
                          n << " rows, " << bad << " in row " << row);
                }
}

// Two rows that are alike leave a pivot that is rounding.
TEST(what_is_singular_is_told) {
    for (const Index n : {3, 40, 100}) {
        std::vector<float> matrix = definite<float>(n);
        for (Index i = 0; i < n; ++i) matrix[at((n - 1) * n + i)] = matrix[at(i)];
        for (Index i = 0; i < n; ++i) matrix[at(i * n + n - 1)] = matrix[at(i * n)];
        for (const int threads : {1, 3})
            CHECK(!inverse(kernels<float>(), matrix.data(), n, threads, std::vector<float>(matrix).data()), n);
    }
}

}  // namespace

TEST_MAIN
