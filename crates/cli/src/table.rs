//! Rows and columns, for terminals and for documents.

/// Rows of text under a head.
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub fn new(head: &[&str]) -> Self {
        Self { rows: vec![head.iter().map(|&cell| cell.to_owned()).collect()] }
    }

    pub fn push(&mut self, row: impl IntoIterator<Item = String>) {
        self.rows.push(row.into_iter().collect());
    }

    /// As a document has it.
    pub fn markdown(&self) -> String {
        let line = |row: &[String]| format!("| {} |\n", row.join(" | "));
        let rule: Vec<String> = self.rows[0].iter().map(|_| "---".to_owned()).collect();
        let mut lines = self.rows.iter().map(|row| line(row));
        let head = lines.next().unwrap_or_default();
        head + &line(&rule) + &lines.collect::<String>()
    }

    /// As a terminal has it: columns below each other, the first to the left and the others to the right.
    pub fn plain(&self) -> String {
        let width =
            |column: usize| self.rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..self.rows[0].len()).map(width).collect();
        let line = |row: &Vec<String>| {
            let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, &width))| {
                if column == 0 { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
            });
            cells.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
        };
        self.rows.iter().map(line).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_table_two_ways() {
        let mut table = Table::new(&["task", "batch"]);
        table.push(["train".to_owned(), "16".to_owned()]);
        assert_eq!(table.plain(), "task   batch\ntrain     16\n");
        assert_eq!(table.markdown(), "| task | batch |\n| --- | --- |\n| train | 16 |\n");
    }
}
