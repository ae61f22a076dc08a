/** How many times longer than here a machine takes for the same, as its environment says: what times of protocols are multiplied by. */
export const PACE = Number(process.env.HEDDLE_PACE ?? 1)
