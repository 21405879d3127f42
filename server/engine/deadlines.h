/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_DEADLINES_H
#define ENGINE_DEADLINES_H

/* When something falls due: an intrusive heap of deadlines, each a member of
 * what it ends.
 *
 * It reads no clock and ends nothing: whoever asks for the first takes it out.
 *
 * Law: the first is the one with the least (time, class, sequence): at one
 * instant what gives permits back goes before tokens that come, and these
 * before what ends waits; then the one that was set first, or has the least
 * number. */

#include <stdbool.h>
#include <stdint.h>

enum deadline_class {
    DEADLINE_GIVES_BACK = 1,
    DEADLINE_TOKENS,
    DEADLINE_ENDS_WAIT
};
enum deadline_owner {
    DEADLINE_OF_SESSION = 1,
    DEADLINE_OF_ACQUIRE,
    DEADLINE_OF_RARITY
};

struct deadline {
    uint64_t time_ns;
    uint64_t sequence;
    uint32_t position; /* In the heap, from 1 on; 0: not set. */
    uint8_t class;     /* enum deadline_class */
    uint8_t owner;     /* enum deadline_owner; the heap does not look at it. */
};

struct deadlines {
    struct deadline **heap; /* From 1 on. */
    uint32_t count;
    uint32_t capacity;
    uint64_t sequence;
};

/* Returns false without memory. */
bool deadlines_init(struct deadlines *deadlines, uint32_t capacity);

/* Accepts zeroes. */
void deadlines_deinit(struct deadlines *deadlines);

/* Sets it, or sets it anew; TIME_NEVER clears it. */
void deadlines_set(struct deadlines *deadlines, struct deadline *deadline,
                   enum deadline_class class, uint64_t time_ns);

/* The same, of class DEADLINE_TOKENS, with a number in place of the order in
 * which it was set. */
void deadlines_set_numbered(struct deadlines *deadlines,
                            struct deadline *deadline, uint64_t number,
                            uint64_t time_ns);

/* Moves one that is set to another time; it keeps its sequence. */
void deadlines_move(struct deadlines *deadlines, struct deadline *deadline,
                    uint64_t time_ns);

/* Accepts one that is not set. */
void deadlines_clear(struct deadlines *deadlines, struct deadline *deadline);

/* Makes all of them later by delay_ns, in O(n): when the clock of a restored
 * engine starts. */
void deadlines_shift(struct deadlines *deadlines, uint64_t delay_ns);

/* The one that is due first, or NULL. It stays set. */
struct deadline *deadlines_first(const struct deadlines *deadlines);

/* Asserts the law; O(n). */
void deadlines_check(const struct deadlines *deadlines);

/* time_ns + delay_ms; TIME_NEVER if the clock cannot count so far. */
uint64_t deadline_after_ms(uint64_t time_ns, int64_t delay_ms);

#endif
