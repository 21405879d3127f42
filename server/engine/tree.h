/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_TREE_H
#define ENGINE_TREE_H

/* Balanced search trees that count: over the items of one array, which begin
 * with their node and are known by their index (0 is none).
 *
 * Treaps: the parent has a higher priority than its children, and whoever adds
 * an item draws its priority from a secret, so nobody can craft a bad shape:
 * depth is O(log n), and so is everything here. It does not know what orders
 * the items, nor what else is summed up over a subtree, or put off for one.
 *
 * Law: in order, is_before() holds between each item and the next. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* First member of an item. The caller sets priority before the insertion. */
struct tree_node {
    uint32_t parent;
    uint32_t left;
    uint32_t right;
    uint32_t size; /* Of its subtree. */
    uint32_t priority;
};

/* What all trees over one array share; each tree is no more than its root. */
struct tree {
    void *items;
    size_t stride;
    bool (*is_before)(const void *item, const void *other);
    /* Sums up an item and its children, NULL if none; NULL if there is nothing
     * to sum up. */
    void (*sum)(void *item, const void *left, const void *right);
    /* Hands what an item puts off for all below it to its children, NULL if
     * none; the items above come first. Called before an item gets other
     * children. NULL if nothing is put off. */
    void (*hand_down)(void *item, void *left, void *right);
};

void tree_insert(const struct tree *tree, uint32_t *root, uint32_t index);
void tree_remove(const struct tree *tree, uint32_t *root, uint32_t index);

/* Sums up anew what index is part of, after a change of the item that does not
 * move it. */
void tree_changed(const struct tree *tree, uint32_t index);

/* Items of the tree. */
uint32_t tree_size(const struct tree *tree, uint32_t root);

/* The item with `rank` before it, or 0. */
uint32_t tree_nth(const struct tree *tree, uint32_t root, uint32_t rank);

/* The next in order, or 0. */
uint32_t tree_next(const struct tree *tree, uint32_t index);

/* Asserts the law, the shape and the sizes; O(n). Returns the depth. */
uint32_t tree_check(const struct tree *tree, uint32_t root);

static inline struct tree_node *tree_at(const struct tree *tree, uint32_t index)
{
    return (void *)((unsigned char *)tree->items + tree->stride * index);
}

#endif
