//! Ballast: a horizontal autoscaler for Kubernetes.
//!
//! | module | what lives there |
//! |---|---|
//! | [`core`] | the pure decision: what was seen in, a decision with its reasons out |
//! | [`api`] | what people write: `ScalePolicy`, `MetricSource`, annotations, and their validated conversion |
//! | [`schedule`] | sizes by the clock: which floors and ceilings hold at a time |
//! | [`sim`] | a model cluster that runs the decision over recorded load, and scores it |
//! | [`replay`] | history of a Prometheus server: looks decided again, load for the model cluster |
//! | [`convert`] | HPAs, KEDA's objects and rules of prometheus-adapter to policies |
//! | [`adopt`] | from an HPA to a policy in the cluster, in steps, and back |
//! | [`lint`] | what is wrong with manifests before they are applied |
//! | [`trial`] | files to trials: policies, traces, clusters, assertions, fixtures |
//! | [`source`] | numbers in: the metrics APIs and Prometheus |
//! | [`checkpoint`] | memory as bytes that survive a restart |
//! | [`cluster`] | Kubernetes I/O: watches, index, scale writes, status, Events, lease |
//! | [`engine`] | the sweep: due policies are looked at together, decided, carried out |
//! | [`report`] | the record of a policy for people: JSON and terminal page; a trial as an HTML page |
//! | [`web`] | the read-only page of the admin port |
//! | [`hashing`] | hashes that every process and version agrees on |
//! | [`cli`], [`config`], [`telemetry`], [`admin`], [`clock`], [`bucket`] | commands, flags, logs and metrics, the admin port, the only clock, limits of rates |

pub mod admin;
pub mod adopt;
pub mod api;
pub mod bucket;
pub mod checkpoint;
pub mod cli;
pub mod clock;
pub mod cluster;
pub mod config;
pub mod convert;
pub mod core;
pub mod engine;
pub mod hashing;
pub mod lint;
pub mod replay;
pub mod report;
pub mod schedule;
pub mod sim;
pub mod source;
pub mod telemetry;
pub mod trial;
pub mod web;
