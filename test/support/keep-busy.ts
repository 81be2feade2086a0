/** For so long nothing else is done in this process: what comes meanwhile waits, and timers are late. */
export function keepBusy(ms: number): void {
  const until = performance.now() + ms
  while (performance.now() < until);
}
