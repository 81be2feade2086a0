/** What the operating system counts of a process. Linux: proc(5). */
import { execFileSync } from 'node:child_process'
import { readFileSync, readdirSync, writeFileSync } from 'node:fs'

const ticksPerSecond = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }))

/** User and system time of processes, all threads, in milliseconds; resolution 10 ms. */
export function cpuMs(pids: readonly number[]): number {
  let ticks = 0
  for (const pid of pids) {
    const { own } = statOf(pid)
    ticks += own
  }
  return (ticks * 1000) / ticksPerSecond
}

/** The same of a process and of all that it has started, those that have ended included. */
export function treeCpuMs(root: number): number {
  const children = new Map<number, Stat[]>()
  for (const name of readdirSync('/proc')) {
    const stat = /^\d+$/.test(name) ? statIfThere(Number(name)) : undefined
    if (stat) children.set(stat.parent, [...(children.get(stat.parent) ?? []), stat])
  }
  const ticksOf = ({ pid, own, ended }: Stat): number =>
    (children.get(pid) ?? []).reduce((sum, child) => sum + ticksOf(child), own + ended)
  return (ticksOf(statOf(root)) * 1000) / ticksPerSecond
}

export function parentOf(pid: number): number {
  return statOf(pid).parent
}

/** Undefined for one that has ended meanwhile. */
function statIfThere(pid: number): Stat | undefined {
  try {
    return statOf(pid)
  } catch {
    return undefined
  }
}

interface Stat {
  readonly pid: number
  readonly parent: number
  /** Ticks of its own, */
  readonly own: number
  /** and of its children that have ended and been waited for. */
  readonly ended: number
}

function statOf(pid: number): Stat {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  // The second field is the program's name in brackets, which may hold spaces.
  const fields = stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .map(Number)
  const [, parent = 0] = fields
  const [user = 0, system = 0, endedUser = 0, endedSystem = 0] = fields.slice(11)
  return { pid, parent, own: user + system, ended: endedUser + endedSystem }
}

/** From now on `peakRssMb` tells of what follows. */
export function forgetPeak(pid: number): void {
  writeFileSync(`/proc/${pid}/clear_refs`, '5')
}

/** How many files and sockets a process may have open, once it has asked for all it may. */
export function mostOpenFiles(): number {
  const limits = readFileSync('/proc/self/limits', 'utf8')
  const [, hard] = /^Max open files\s+\S+\s+(\S+)/m.exec(limits) ?? []
  return hard === 'unlimited' ? Infinity : Number(hard)
}

/** The largest resident size so far, summed over the processes, in MB. */
export function peakRssMb(pids: readonly number[]): number {
  let kilobytes = 0
  for (const pid of pids) {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8')
    kilobytes += Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0)
  }
  return Math.round(kilobytes / 102.4) / 10
}
