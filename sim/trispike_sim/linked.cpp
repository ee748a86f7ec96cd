// The device of `trispike serve`: the Verilated top `linked` with its bytes on standard input and output, and
// with an external memory.
//
// Time goes on while bytes move or the design is busy, and then for QUIET cycles more, in which a reply may still be on
// its way out; otherwise it stands still until a byte comes. Ends when standard input does.

#include <poll.h>
#include <unistd.h>

#include <cstdint>
#include <vector>

#include "Vlinked.h"

// Verilator writes a double underscore as ___05F.
namespace {

constexpr int SLICE = 2048;    // cycles between two looks at standard input
constexpr int QUIET = 16384;

constexpr int FIRST_WORD = 16;  // cycles from a request to external memory until its first word,
constexpr int NEXT_WORD = 2;    // and from word to word

// The external memory: takes stores at once, and one burst at a time.
struct Memory {
    std::vector<uint32_t> content = std::vector<uint32_t>(MEMORY_WORDS);
    uint64_t address = 0;
    uint64_t left = 0;
    int wait = 0;

    uint32_t& at(uint64_t number) { return content[number % MEMORY_WORDS]; }

    void offer(Vlinked& top) {
        top.memory___05Fstore___05Fready = 1;
        top.memory___05Frequest___05Fready = left == 0;
        top.memory___05Fwords___05Fvalid = left != 0 && wait == 0;
        top.memory___05Fwords___05Fpayload = at(address);
    }

    void take(const Vlinked& top) {
        if (wait) --wait;
        if (top.memory___05Fwords___05Fvalid && top.memory___05Fwords___05Fready) {
            ++address;
            --left;
            wait = NEXT_WORD - 1;
        }
        if (top.memory___05Fstore___05Fvalid) {
            const uint64_t word = top.memory___05Fstore___05Fpayload;
            at(word >> DATA_BITS) = static_cast<uint32_t>(word);
        }
        if (top.memory___05Frequest___05Fvalid && top.memory___05Frequest___05Fready) {
            const uint64_t request = top.memory___05Frequest___05Fpayload;
            address = request & ((1ull << ADDRESS_BITS) - 1);
            left = request >> ADDRESS_BITS;
            wait = FIRST_WORD - 1;
        }
    }
};

struct Device {
    Vlinked top;
    Memory memory;
    std::vector<uint8_t> in;
    size_t taken = 0;
    std::vector<uint8_t> out;
    int quiet = 0;

    void cycle() {
        top.i___05Fvalid = taken < in.size();
        top.i___05Fpayload = top.i___05Fvalid ? in[taken] : 0;
        memory.offer(top);
        top.clk = 0;
        top.eval();
        const bool sent = top.i___05Fvalid && top.i___05Fready;
        const bool received = top.o___05Fvalid;
        if (sent) ++taken;
        if (received) out.push_back(top.o___05Fpayload);
        quiet = sent || received || top.busy || top.i___05Fvalid ? 0 : quiet + 1;
        memory.take(top);
        top.clk = 1;
        top.eval();
    }

    bool flush() {
        size_t done = 0;
        while (done < out.size()) {
            const ssize_t count = write(STDOUT_FILENO, out.data() + done, out.size() - done);
            if (count <= 0) return false;
            done += count;
        }
        out.clear();
        return true;
    }

    // Takes what has come, and waits for it if `wait`; false at the end of the input.
    bool fetch(bool wait) {
        pollfd descriptor{STDIN_FILENO, POLLIN, 0};
        if (poll(&descriptor, 1, wait ? -1 : 0) <= 0) return true;
        in.erase(in.begin(), in.begin() + taken);
        taken = 0;
        uint8_t bytes[4096];
        const ssize_t count = read(STDIN_FILENO, bytes, sizeof bytes);
        if (count <= 0) return false;
        in.insert(in.end(), bytes, bytes + count);
        quiet = 0;
        return true;
    }
};

}  // namespace

int main() {
    Device device;
    device.top.o___05Fready = 1;
    device.top.rst = 1;
    for (int number = 0; number < 4; ++number) device.cycle();
    device.top.rst = 0;
    while (device.fetch(device.quiet >= QUIET)) {
        for (int number = 0; number < SLICE; ++number) device.cycle();
        if (!device.flush()) return 0;
    }
    return 0;
}
