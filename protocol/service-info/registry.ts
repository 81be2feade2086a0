/** Which modules there are, by name. */
import type { DeviceModule, OwnerModule } from './module.ts'

/** The owner's modules by name. */
export type OwnerModules = ReadonlyMap<string, OwnerModule>

/** The device's modules, in the order devmod lists them. */
export type DeviceModules = ReadonlyMap<string, DeviceModule>

export function ownerModules(...modules: readonly OwnerModule[]): OwnerModules {
  return byName(modules)
}

export function deviceModules(...modules: readonly DeviceModule[]): DeviceModules {
  return byName(modules)
}

function byName<M extends { readonly name: string }>(
  modules: readonly M[],
): ReadonlyMap<string, M> {
  return new Map(modules.map((module) => [module.name, module]))
}
