/* SPDX-License-Identifier: MIT */
#ifndef CLI_CONTROL_H
#define CLI_CONTROL_H

/* PERMIT_CONTROL, the wrapper's Unix socket: over it `permit renew` has the
 * hold of a `permit run` counted anew, by the wrapper, which alone has the
 * session.
 *
 * It does not decide what becomes of the command. The socket has an abstract
 * name, so that nothing is left of it however the wrapper ends; it is not to be
 * reached from another network namespace.
 *
 * Law: it obeys processes of its own user that name its grant, and says that a
 * hold was renewed only when the guard knows of it too. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "permit/permit.h"

#define CONTROL_TEXT_BYTES 512

struct control;

/* ------------------------------------------------------------- the wrapper's
 */

/* Listens, in a thread of its own. Client and grant are borrowed. A hold that
 * is not longer than kill_after_ms is refused. Returns 0 or a negative errno.
 */
int control_create(struct permit_client *client, struct permit_grant *grant,
                   int64_t kill_after_ms, struct control **ret_control);

/* Ends a renewal that is under way once its answer is there. Accepts NULL. */
void control_destroy(struct control *control);

/* For PERMIT_CONTROL. */
const char *control_name(const struct control *control);

/* Readable when a hold was renewed: then the caller tells the guard, and calls
 * control_settle(). -1 of NULL. */
int control_fd(const struct control *control);

/* The guard knows of the hold that was renewed; or it came too late, and the
 * command is being stopped. */
void control_settle(struct control *control, bool is_lost);

/* ------------------------------------------------------------- the command's
 */

/* Has the hold of this grant counted anew by the wrapper that listens there: as
 * permit_grant_renew(). PERMIT_E_LOST if there is none, PERMIT_E_DENIED if it
 * is another user's; `text` says why it failed. */
enum permit_status control_ask(const char *name, uint64_t grant_id,
                               int64_t hold_ms, char text[CONTROL_TEXT_BYTES]);

#endif
