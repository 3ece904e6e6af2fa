//! What Ballast gains over the stock autoscaler, and what it costs.

use ballast::sim::Score;
use comfy_table::Table;

use crate::loads::Named;
use crate::policies::Rival;
use crate::tables::{geometric, header, mean, table, violation_at};

/// A table with one row per setting and policy.
pub struct Claims(Table);

impl Default for Claims {
    fn default() -> Self {
        let names = [
            "setting",
            "policy",
            "violation time",
            "actions",
            "pod-hours",
            "geo V at equal pod-hours",
            "worse in V and pod-hours than HPA cpu",
            "worse in V and pod-hours than HPA rps",
        ];
        Self(table(header(&names, &[])))
    }
}

impl Claims {
    /// Adds the rows of a setting; without the stock autoscaler among the rivals there is nothing to compare with.
    pub fn add(&mut self, setting: &str, loads: &[Named], rivals: &[Rival], scores: &[Vec<Score>], sweep: &[Vec<Score>]) {
        let column = |wanted: Rival| rivals.iter().position(|&rival| rival == wanted);
        let (Some(cpu), Some(rps)) = (column(Rival::HpaCpu), column(Rival::HpaRps)) else { return };
        for (own, rival) in rivals.iter().enumerate().filter(|(_, rival)| rival.is_ballast()) {
            let change = |value: fn(&Score) -> f64| {
                let of = |column: usize| mean(scores.iter().map(|row| value(&row[column])));
                format!("{:+.0} %", 100.0 * (of(own) / of(cpu) - 1.0))
            };
            let geo = geometric(scores.iter().map(|row| row[own].violation()));
            let equal = geometric(scores.iter().zip(sweep).map(|(row, sweep)| violation_at(sweep, row[own].cost())));
            let worse = |stock: usize| {
                let names =
                    loads.iter().zip(scores).filter(|(_, row)| is_worse(&row[own], &row[stock])).map(|(load, _)| load.name.as_str());
                names.collect::<Vec<_>>().join(", ")
            };
            self.0.add_row([
                setting.to_owned(),
                rival.name().to_owned(),
                change(Score::violation),
                change(Score::actions_per_day),
                change(Score::cost),
                format!("{geo:.4} / {equal:.4} ({:+.0} %)", 100.0 * (geo / equal - 1.0)),
                worse(cpu),
                worse(rps),
            ]);
        }
    }

    /// Prints it with its explanation.
    pub fn print(&self) {
        println!("## Gains and costs in all settings\n");
        println!("Violation time, actions and pod-hours: change of the mean against the HPA on CPU with its defaults. Equal pod-hours:");
        println!("geometric mean of V + 0.01 / that of the HPA on the request rate with its target retuned, per trace, to the same");
        println!("pod-hours. The last columns name the traces on which both violations and pod-hours are worse, by more than 1 % and");
        println!("0.005 percentage points.\n");
        println!("{}\n", self.0);
    }
}

fn is_worse(own: &Score, stock: &Score) -> bool {
    own.violation() > stock.violation() + 0.005 && own.cost() > 1.01 * stock.cost()
}
