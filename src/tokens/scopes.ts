/** What a device's access token may permit, each once. Which of them a device holds, its group says. */

const DEVICE_SCOPES = {
  'device:whoami': 'Learn how the service knows the device',
  'device:certificate': 'Fetch the certificate in force, and when to renew it',
} as const

export type DeviceScope = keyof typeof DEVICE_SCOPES

export const ALL_DEVICE_SCOPES = Object.keys(DEVICE_SCOPES) as readonly DeviceScope[]

/** Those of them that exist, each once, in the order of the table. */
export function knownScopes(names: Iterable<string>): readonly DeviceScope[] {
  const wanted = new Set(names)
  return ALL_DEVICE_SCOPES.filter((scope) => wanted.has(scope))
}

/** As a `scope` parameter or claim has them: separated by spaces. RFC 6749, section 3.3. */
export function parseScopes(text: string | undefined): readonly string[] {
  return text?.split(' ').filter((scope) => scope !== '') ?? []
}
