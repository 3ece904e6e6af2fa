//! Headroom for targets that state a capacity.

/// Spare capacity in square roots of the load: `beta = (1 - tau) * sqrt(8 / tau)` for a service of 8 replicas run at `tau` = 70 %,
/// rounded to 1. In an M/M/n queue about one request in five then finds all replicas busy, whatever the size of the service.
const BETA: f64 = 1.0;
/// No replica is planned fuller than this, however large the service: latency bends upwards before.
const HIGHEST_UTILIZATION: f64 = 0.85;

/// Replicas for a load that would fill `load` of them to 100 %: `max(y + beta * sqrt(y), y / 0.85)` (square-root staffing).
///
/// A small service gets relatively more spare than a large one: 2, 20 and 40 replicas run at 50, 80 and 85 %.
pub fn staffing(load: f64) -> f64 {
    let load = load.max(0.0);
    (load + BETA * load.sqrt()).max(load / HIGHEST_UTILIZATION)
}
