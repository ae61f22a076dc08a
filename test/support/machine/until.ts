/** Waits for a condition, and says which one did not come. */
export async function until(what: string, condition: () => Promise<boolean> | boolean, milliseconds = 60_000): Promise<void> {
  const end = performance.now() + milliseconds
  while (!(await condition())) {
    if (performance.now() > end) throw new TypeError(`not within ${milliseconds} ms: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}
