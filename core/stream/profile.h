// Names in the time line of a profiler (Nsight Systems).
#pragma once
#include <string_view>

namespace krait {

/// Whether ProfileRange marks anything; off at the start. Process-wide.
void set_profile_ranges(bool on);

/// Work that this thread submits until the scope ends appears under `name` in the profiler. Costs
/// nothing without CUDA and almost nothing while ranges are off.
class ProfileRange {
 public:
  explicit ProfileRange(std::string_view name);
  ~ProfileRange();
  ProfileRange(const ProfileRange&) = delete;
  ProfileRange& operator=(const ProfileRange&) = delete;

 private:
  bool open_;
};

namespace cuda {
void push_profile_range(std::string_view name);
void pop_profile_range() noexcept;
}  // namespace cuda

}  // namespace krait
