/** Which process is at the other end of a connection of this machine. Linux only. */
import { readFileSync, readdirSync, readlinkSync } from 'node:fs'

/** Of these, the one whose end of a connection over IPv4 has this port; `to` is that of the other end. */
export function pidAt(port: number, to: number, pids: readonly number[]): number | undefined {
  // A port may be that of several connections, to elsewhere or closed a while ago.
  const line = readFileSync('/proc/net/tcp', 'utf8')
    .split('\n')
    .map((text) => text.trim().split(/\s+/))
    .find(([, local, remote]) => portOf(local) === port && portOf(remote) === to)
  const socket = `socket:[${line?.[9]}]`
  return pids.find((pid) => socketsOf(pid).includes(socket))
}

function portOf(end = ''): number {
  return Number.parseInt(end.split(':')[1] ?? '', 16)
}

function socketsOf(pid: number): readonly string[] {
  const folder = `/proc/${pid}/fd`
  return readdirSync(folder).flatMap((fd) => {
    try {
      return [readlinkSync(`${folder}/${fd}`)]
    } catch {
      return [] // Closed meanwhile.
    }
  })
}
