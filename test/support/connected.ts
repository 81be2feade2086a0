/** Which process is at the other end of a connection of this machine. Linux only. */
import { readFileSync, readdirSync, readlinkSync } from 'node:fs'

/** Of these, the one whose end of a connection over IPv4 has this port. */
export function pidAt(port: number, pids: readonly number[]): number | undefined {
  const hex = port.toString(16).toUpperCase().padStart(4, '0')
  const line = readFileSync('/proc/net/tcp', 'utf8')
    .split('\n')
    .map((text) => text.trim().split(/\s+/))
    .find(([, local = '']) => local.endsWith(`:${hex}`))
  const socket = `socket:[${line?.[9]}]`
  return pids.find((pid) => socketsOf(pid).includes(socket))
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
